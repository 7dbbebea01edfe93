SELECT
  device_id, window_start_ns, window_ns, host, src_mac, src_ip, dst_ip, label, confidence, scores,
  classes, packets, wire_bytes, sampled_one_in, model_id
FROM store.verdicts
WHERE organization = $organization
  AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR)
  AND ($host::VARCHAR IS NULL OR host = $host::VARCHAR)
  AND ($label::VARCHAR IS NULL OR label = $label::VARCHAR)
  AND ($since_ns::BIGINT IS NULL OR window_start_ns >= $since_ns::BIGINT)
  AND ($until_ns::BIGINT IS NULL OR window_start_ns < $until_ns::BIGINT)
ORDER BY window_start_ns DESC, host
LIMIT $limit OFFSET $skip;
