SELECT k.organization, k.device_id FROM store.devices AS k
WHERE k.api_key_hash = $api_key_hash AND NOT k.pending
  AND NOT EXISTS (
    SELECT 1 FROM store.removed_devices AS r
    WHERE r.organization = k.organization AND r.device_id = k.device_id
  );
