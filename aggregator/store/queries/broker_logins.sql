SELECT organization, device_id, broker_password_hash
FROM store.devices
WHERE ($organization::VARCHAR IS NULL OR organization = $organization)
  AND broker_password_hash IS NOT NULL AND NOT pending
ORDER BY organization, device_id;
