UPDATE store.devices SET ssh_host_key = $host_key
WHERE organization = $organization AND device_id = $device_id
RETURNING device_id;
