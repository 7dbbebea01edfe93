SELECT
  device_id, coalesce(host, ip_address) AS host, coalesce(ssh_port, 22) AS port,
  coalesce(ssh_username, '') AS username, ssh_password AS password,
  coalesce(ssh_host_key, '') AS host_key
FROM store.devices
WHERE organization = $organization
  AND ($device_id IS NULL OR device_id = $device_id)
  AND ($host IS NULL OR (coalesce(host, ip_address) = $host AND coalesce(ssh_port, 22) = $port))
ORDER BY device_id
LIMIT 1;
