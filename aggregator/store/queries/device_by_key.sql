SELECT organization, device_id FROM store.devices
WHERE api_key_hash = $api_key_hash AND NOT pending;
