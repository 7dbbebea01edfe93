-- By their number, which is how they lie on the disk: of a long history each piece costs the same.
SELECT
  /* which: alert_columns */
FROM (
  FROM store.alerts AS a
  WHERE a.id > $after
    AND /* which: alerts */
  ORDER BY a.id
  LIMIT $limit
) AS a
LEFT JOIN (
  SELECT device_id, alert_id, bool_or(verified) AS verified
  FROM store.isolations
  WHERE organization = $organization AND alert_id IS NOT NULL
  GROUP BY device_id, alert_id
) AS i ON i.device_id = a.device_id AND i.alert_id = a.alert_id
ORDER BY a.id;
