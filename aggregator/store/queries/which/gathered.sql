-- An island without an incident has the next number.
UPDATE store.alerts AS a SET incident_id = g.incident_id
FROM (
  SELECT organization, incident_id, unnest(alert_numbers) AS alert_number
  FROM (
    SELECT
      organization, alert_numbers,
      coalesce(incident_id, nextval('store.incident_ids')) AS incident_id
    FROM store.islands
  )
) AS g
WHERE a.organization = g.organization AND a.id = g.alert_number
