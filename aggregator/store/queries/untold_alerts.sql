-- What channels wait for and were not told of as it is now, oldest first.
SELECT c.organization, c.id, 'alert', a.id, a.attack_type, a.severity, a.news
FROM store.channels AS c
JOIN store.alerts AS a
  ON a.organization = c.organization AND a.news > c.seen_news AND a.news <= $upto
WHERE a.suppressed_by IS NULL
  AND list_contains(c.severities, a.severity)
  AND (len(c.attack_types) = 0 OR list_contains(c.attack_types, a.attack_type))
  AND NOT EXISTS (
    SELECT 1 FROM store.notifications AS n
    WHERE n.organization = c.organization AND n.channel_id = c.id AND n.alert_number = a.id
      AND n.event = 'alert' AND n.attack_type = a.attack_type AND n.severity = a.severity
  )
ORDER BY a.news, c.id
LIMIT $limit;
