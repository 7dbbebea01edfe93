DELETE FROM store.incidents AS i
WHERE NOT EXISTS (
  SELECT 1 FROM store.alerts AS a WHERE a.organization = i.organization AND a.incident_id = i.id
);
