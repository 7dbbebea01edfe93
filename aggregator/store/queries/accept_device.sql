UPDATE store.devices SET pending = FALSE
WHERE organization = $organization AND device_id = $device_id AND pending
RETURNING id;
