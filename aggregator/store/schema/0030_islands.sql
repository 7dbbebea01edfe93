-- As before, at half the cost: what is to be gathered, beside what it may belong to. An island is more than an
-- hour away from the others of its host; what a person has closed stays as it is.
CREATE OR REPLACE VIEW store.islands AS
WITH fresh AS (
  SELECT organization, device_id, host, opened_ns, last_seen_ns, id
  FROM store.alerts
  WHERE incident_id = 0
),
pieces AS (
  SELECT
    organization, device_id, host, opened_ns AS start_ns,
    greatest(opened_ns, last_seen_ns) AS end_ns, id AS alert_number, NULL::BIGINT AS incident_id
  FROM fresh
  UNION ALL
  SELECT i.organization, i.device_id, i.host, i.first_ns, i.last_ns, NULL, i.id
  FROM store.incidents AS i
  WHERE i.status <> 'closed'
    AND i.last_ns >= (SELECT min(opened_ns) FROM fresh) - 3600000000000  -- few are left to compare
    AND (i.organization, i.device_id, i.host) IN (
      SELECT (organization, device_id, host) FROM fresh
    )
),
-- One row of all hosts, in which each begins anew: a window that parts them takes ten times as long for a few alerts.
reached AS (
  SELECT *, max((organization, device_id, host, end_ns)) OVER (
    ORDER BY organization, device_id, host, start_ns, end_ns, alert_number, incident_id
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  ) AS reach
  FROM pieces
),
numbered AS (
  SELECT *, sum((
    reach IS NULL OR reach < (organization, device_id, host, start_ns - 3600000000000)
  )::INTEGER) OVER (
    ORDER BY organization, device_id, host, start_ns, end_ns, alert_number, incident_id
    ROWS UNBOUNDED PRECEDING
  ) AS island
  FROM reached
)
SELECT
  organization, device_id, host, min(start_ns) AS first_ns, max(end_ns) AS last_ns,
  max(incident_id) AS incident_id,
  list(alert_number) FILTER (alert_number IS NOT NULL) AS alert_numbers
FROM numbered
GROUP BY organization, device_id, host, island;
