DELETE FROM store.removed_devices
WHERE organization = $organization AND device_id = $device_id;
