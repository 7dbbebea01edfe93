SELECT
  id, device_id, captured_ns, src_mac, dst_mac, src_ip, dst_ip, src_port, dst_port, protocol,
  packet_bytes, ttl, flags, label, confidence, received_ns
FROM store.packets
WHERE organization = $organization
  AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR)
  AND ($protocol::VARCHAR IS NULL OR lower(protocol) = lower($protocol::VARCHAR))
  AND ($is_malicious::BOOLEAN IS NULL OR (label <> 'benign') = $is_malicious::BOOLEAN)
  AND ($src_ip::VARCHAR IS NULL OR src_ip = $src_ip::VARCHAR)
  AND ($dst_ip::VARCHAR IS NULL OR dst_ip = $dst_ip::VARCHAR)
  AND ($since_ns::BIGINT IS NULL OR captured_ns >= $since_ns::BIGINT)
  AND ($until_ns::BIGINT IS NULL OR captured_ns < $until_ns::BIGINT)
ORDER BY captured_ns DESC, id DESC
LIMIT $limit OFFSET $skip;
