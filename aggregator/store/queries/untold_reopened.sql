-- Alerts that are active again because a decision about them has ended by its time, and of which a channel was
-- not told since. What may not be told yet is found again, for so long.
SELECT c.organization, c.id, 'reopened', a.id, a.attack_type, a.severity, a.news
FROM store.channels AS c
JOIN (
  SELECT organization, alert_number, max(at_ns) AS at_ns
  FROM store.alert_changes
  WHERE at_ns >= $since_ns::BIGINT AND reason = 'expired' AND user_id = 0
  GROUP BY organization, alert_number
) AS expired ON expired.organization = c.organization AND expired.at_ns >= c.created_ns
JOIN store.alerts AS a
  ON a.organization = expired.organization AND a.id = expired.alert_number
WHERE a.status = 'active' AND a.suppressed_by IS NULL
  AND list_contains(c.severities, a.severity)
  AND (len(c.attack_types) = 0 OR list_contains(c.attack_types, a.attack_type))
  AND NOT EXISTS (
    SELECT 1 FROM store.notifications AS n
    WHERE n.organization = c.organization AND n.channel_id = c.id AND n.alert_number = a.id
      AND n.event = 'reopened' AND n.created_ns >= expired.at_ns
  )
QUALIFY row_number() OVER (PARTITION BY c.id ORDER BY a.id) <= $limit
ORDER BY a.id, c.id;
