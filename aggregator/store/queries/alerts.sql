-- The newest are found by a few columns before the others of theirs are read.
SELECT
  /* which: alert_columns */
FROM (
  FROM store.alerts AS a
  WHERE /* which: alerts */
  ORDER BY a.opened_ns DESC, a.id DESC
  LIMIT $limit OFFSET $skip
) AS a
LEFT JOIN (
  SELECT device_id, alert_id, bool_or(verified) AS verified
  FROM store.isolations
  WHERE organization = $organization AND alert_id IS NOT NULL
  GROUP BY device_id, alert_id
) AS i ON i.device_id = a.device_id AND i.alert_id = a.alert_id
ORDER BY a.opened_ns DESC, a.id DESC;
