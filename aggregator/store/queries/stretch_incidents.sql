MERGE INTO store.incidents AS known
USING (
  SELECT
    organization, incident_id, any_value(device_id) AS device_id, any_value(host) AS host,
    min(opened_ns) AS first_ns, max(greatest(opened_ns, last_seen_ns)) AS last_ns
  FROM store.alerts
  WHERE incident_id > 0 AND opened_ns >= $since_ns::BIGINT
  GROUP BY organization, incident_id
) AS told
ON known.organization = told.organization AND known.id = told.incident_id
WHEN MATCHED AND (told.first_ns < known.first_ns OR told.last_ns > known.last_ns) THEN UPDATE SET
  first_ns = least(known.first_ns, told.first_ns),
  last_ns = greatest(known.last_ns, told.last_ns)
WHEN NOT MATCHED THEN INSERT (id, organization, device_id, host, first_ns, last_ns, status)
VALUES (
  told.incident_id, told.organization, told.device_id, told.host, told.first_ns, told.last_ns,
  'open'
);
