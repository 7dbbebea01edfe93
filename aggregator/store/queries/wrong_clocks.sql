SELECT organization, device_id, boot, clock_offset_ns
FROM store.devices
WHERE clock_offset_ns <> 0 AND boot IS NOT NULL
  AND ($organization::VARCHAR IS NULL OR organization = $organization::VARCHAR)
  AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR);
