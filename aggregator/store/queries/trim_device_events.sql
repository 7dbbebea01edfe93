DELETE FROM store.device_events
WHERE organization = $organization AND id <= (
  SELECT id FROM store.device_events
  WHERE organization = $organization
  ORDER BY id DESC LIMIT 1 OFFSET $kept
);
