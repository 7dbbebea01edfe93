UPDATE store.devices SET
  name = coalesce($name::VARCHAR, name),
  type = coalesce($type::VARCHAR, type),
  ip_address = coalesce($ip_address::VARCHAR, ip_address),
  mac_address = coalesce($mac_address::VARCHAR, mac_address),
  location = coalesce($location::VARCHAR, location)
WHERE organization = $organization AND device_id = $device_id;
