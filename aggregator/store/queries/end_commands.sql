UPDATE store.commands SET
  state = 'expired', rank = 2, detail = $why, expires_ns = $now_ns::BIGINT
WHERE organization = $organization AND device_id = $device_id AND rank < 2;
