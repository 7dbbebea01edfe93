SELECT device_id, host, ssh_port, ssh_username, description, ssh_host_key
FROM store.devices
WHERE organization = $organization
  AND list_contains($device_ids::JSON::VARCHAR[], device_id);
