organization = $organization
  AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR)
  AND ($protocol::VARCHAR IS NULL OR lower(protocol) = lower($protocol::VARCHAR))
  AND ($is_malicious::BOOLEAN IS NULL OR (label <> 'benign') = $is_malicious::BOOLEAN)
  AND ($src_ip::VARCHAR IS NULL OR src_ip = $src_ip::VARCHAR)
  AND ($dst_ip::VARCHAR IS NULL OR dst_ip = $dst_ip::VARCHAR)
  AND ($since_ns::BIGINT IS NULL OR captured_ns >= $since_ns::BIGINT)
  AND ($until_ns::BIGINT IS NULL OR captured_ns < $until_ns::BIGINT)
