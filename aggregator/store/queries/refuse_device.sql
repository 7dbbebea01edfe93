DELETE FROM store.devices AS k
WHERE k.organization = $organization AND k.device_id = $device_id AND /* which: pending */
RETURNING id;
