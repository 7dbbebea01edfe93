UPDATE store.devices SET
  online = $connected::BOOLEAN,
  vouched = $connected::BOOLEAN,
  presence = if($connected::BOOLEAN, 'online', 'offline'),
  last_seen_ns = if($connected::BOOLEAN, $at_ns::BIGINT, last_seen_ns)
WHERE organization = $organization AND device_id = $device_id;
