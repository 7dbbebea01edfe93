UPDATE store.alerts SET
  suppressed_by = NULL,
  incident_id = coalesce(incident_id, 0)
WHERE organization = $organization AND suppressed_by = $id;
