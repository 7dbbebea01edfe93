DELETE FROM store.alert_changes AS c
WHERE NOT EXISTS (
  SELECT 1 FROM store.alerts AS a
  WHERE a.organization = c.organization AND a.id = c.alert_number
);
