UPDATE store.incidents AS i SET
  first_ns = least(i.first_ns, told.first_ns),
  last_ns = greatest(i.last_ns, told.last_ns)
FROM (
  SELECT organization, incident_id, min(opened_ns) AS first_ns, max(last_seen_ns) AS last_ns
  FROM store.alerts
  WHERE incident_id > 0 AND list_contains($alert_ids::JSON::VARCHAR[], alert_id)
  GROUP BY organization, incident_id
) AS told
WHERE i.organization = told.organization AND i.id = told.incident_id;
