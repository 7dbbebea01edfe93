INSERT INTO store.devices (
  id, organization, device_id, name, type, ip_address, mac_address, location, api_key_hash, online,
  condition, lost_messages, created_ns
)
SELECT
  nextval('store.device_ids'), $organization, $device_id, $name, $type, $ip_address, $mac_address,
  $location, $api_key_hash, FALSE, 'online', 0, $now_ns
WHERE NOT EXISTS (
  SELECT 1 FROM store.devices WHERE organization = $organization AND device_id = $device_id
)
RETURNING id;
