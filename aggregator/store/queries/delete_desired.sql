DELETE FROM store.desired WHERE organization = $organization AND device_id = $device_id;
