DELETE FROM store.devices
WHERE organization = $organization AND device_id = $device_id AND pending
RETURNING id;
