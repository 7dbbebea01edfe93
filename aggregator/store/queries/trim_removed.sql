-- Not those under whose names somebody talks again, who would be accepted by that.
DELETE FROM store.removed_devices AS known
WHERE known.organization = $organization
  AND known.removed_ns <= (
    SELECT removed_ns FROM store.removed_devices
    WHERE organization = $organization
    ORDER BY removed_ns DESC LIMIT 1 OFFSET $kept
  )
  AND NOT EXISTS (
    SELECT 1 FROM store.devices AS d
    WHERE d.organization = known.organization AND d.organization = $organization
      AND d.device_id = known.device_id
  );
