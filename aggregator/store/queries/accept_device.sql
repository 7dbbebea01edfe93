UPDATE store.devices AS k SET pending = FALSE
WHERE k.organization = $organization AND k.device_id = $device_id AND /* which: pending */
RETURNING id;
