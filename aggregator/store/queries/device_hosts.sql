SELECT device_id, host, ssh_port, ssh_username, description
FROM store.devices
WHERE organization = $organization
  AND list_contains($device_ids::JSON::VARCHAR[], device_id);
