-- As if they came now: another suppression may hide them.
UPDATE store.alerts AS known SET
  suppressed_by = told.suppressed_by,
  incident_id = if(told.suppressed_by IS NULL, coalesce(known.incident_id, 0), known.incident_id),
  news = if(told.suppressed_by IS NULL, nextval('store.alert_news'), known.news)
FROM (
  SELECT a.organization, a.id, (
    SELECT min(s.id) FROM store.suppressions AS s
    WHERE s.expires_ns > $now_ns::BIGINT AND /* which: hides */
  ) AS suppressed_by
  FROM store.alerts AS a
  WHERE a.organization = $organization AND a.suppressed_by IS NOT NULL
    AND a.id IN (SELECT unnest($numbers::JSON::BIGINT[]))
) AS told
WHERE known.organization = told.organization AND known.id = told.id;
