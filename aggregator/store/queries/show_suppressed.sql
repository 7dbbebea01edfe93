-- What is over by now; the rest comes to light as if it came now (show_outlived).
UPDATE store.alerts AS a SET
  suppressed_by = NULL,
  incident_id = coalesce(a.incident_id, 0)
WHERE a.organization = $organization AND a.suppressed_by = $id AND NOT /* which: going_on */;
