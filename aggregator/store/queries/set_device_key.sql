UPDATE store.devices SET api_key_hash = $api_key_hash
WHERE organization = $organization AND device_id = $device_id
RETURNING id;
