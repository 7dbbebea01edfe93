UPDATE store.devices SET
  online = $online::BOOLEAN,
  condition = coalesce($condition::VARCHAR, condition),
  last_seen_ns = $now_ns::BIGINT
WHERE organization = $organization AND device_id = $device_id;
