SELECT
  id, device_id, captured_ns, src_mac, dst_mac, src_ip, dst_ip, src_port, dst_port, protocol,
  packet_bytes, ttl, flags, label, confidence, received_ns
FROM /* rows: packets */
WHERE /* which: packets */
ORDER BY captured_ns DESC, id DESC
LIMIT $limit OFFSET $skip;
