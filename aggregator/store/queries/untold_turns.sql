-- What of older alerts is over, or active again, and channels were told otherwise: a few of each channel, so that
-- none waits for another. What may not be told yet is found again.
WITH words AS (  -- the last ones of each channel about each alert
  SELECT
    organization, channel_id, alert_number,
    coalesce(max(created_ns) FILTER (event = 'recovered'), 0) AS over_ns,
    coalesce(max(created_ns) FILTER (event IN ('alert', 'reopened', 'expired')), 0) AS active_ns,
    max(created_ns) FILTER (event IN ('alert', 'reopened') AND state = 'sent') AS open_ns,
    max(created_ns) FILTER (event = 'expired' AND state = 'sent') AS expired_ns,
    bool_or(event = 'lifted') AS was_lifted
  FROM store.notifications
  WHERE alert_number IS NOT NULL
  GROUP BY organization, channel_id, alert_number
),
expired AS (  -- decisions, by their time
  SELECT organization, alert_number, max(at_ns) AS at_ns
  FROM store.alert_changes
  WHERE at_ns >= $since_ns::BIGINT AND reason = 'expired' AND user_id = 0
  GROUP BY organization, alert_number
),
freed AS (  -- those for whom every isolation has ended
  SELECT organization, device_id, alert_id
  FROM store.isolations
  WHERE verified AND alert_id IS NOT NULL
  GROUP BY organization, device_id, alert_id
  HAVING bool_and(state IN ('lifted', 'expired'))
),
turns AS (
  SELECT w.organization, w.channel_id, 'recovered' AS event, w.alert_number
  FROM words AS w
  JOIN store.alerts AS a ON a.organization = w.organization AND a.id = w.alert_number
  WHERE w.open_ns > w.over_ns AND /* which: over */
    OR w.expired_ns > w.over_ns AND a.status IN ('resolved', 'false_positive')
  UNION
  SELECT w.organization, w.channel_id, 'lifted', w.alert_number
  FROM words AS w
  JOIN store.alerts AS a ON a.organization = w.organization AND a.id = w.alert_number
  JOIN freed AS f
    ON f.organization = a.organization AND f.device_id = a.device_id AND f.alert_id = a.alert_id
  WHERE NOT w.was_lifted AND coalesce(w.open_ns, w.expired_ns) IS NOT NULL
  UNION
  -- What expires while we look waits, or the next look would tell it once more.
  SELECT w.organization, w.channel_id, 'reopened', w.alert_number
  FROM words AS w
  JOIN store.alerts AS a ON a.organization = w.organization AND a.id = w.alert_number
  LEFT JOIN expired AS e ON e.organization = a.organization AND e.alert_number = a.id
  WHERE w.over_ns > 0 AND w.over_ns >= w.active_ns AND a.status = 'active'
    AND NOT /* which: over */ AND coalesce(e.at_ns, 0) <= $now_ns::BIGINT
  UNION
  -- A person wanted to look again, even where its device has closed it by now.
  SELECT e.organization, c.id, if(/* which: over */, 'expired', 'reopened'), e.alert_number
  FROM expired AS e
  JOIN store.channels AS c ON c.organization = e.organization AND c.created_ns <= e.at_ns
  JOIN store.alerts AS a ON a.organization = e.organization AND a.id = e.alert_number
  LEFT JOIN words AS w
    ON w.organization = e.organization AND w.channel_id = c.id AND w.alert_number = a.id
  WHERE a.status = 'active' AND e.at_ns <= $now_ns::BIGINT AND coalesce(w.active_ns, 0) < e.at_ns
)
SELECT t.organization, t.channel_id, t.event, a.id, a.attack_type, a.severity, a.news
FROM turns AS t
JOIN store.channels AS c ON c.organization = t.organization AND c.id = t.channel_id
JOIN store.alerts AS a ON a.organization = t.organization AND a.id = t.alert_number
WHERE if(
  t.event IN ('recovered', 'lifted'),
  c.recovery,
  a.suppressed_by IS NULL AND a.news <= c.seen_news  -- else it is told as an alert
    AND list_contains(c.severities, a.severity)
    AND (len(c.attack_types) = 0 OR list_contains(c.attack_types, a.attack_type))
)
-- Those first that may be told when others may not.
QUALIFY row_number() OVER (
  PARTITION BY t.channel_id
  ORDER BY a.severity <> 'critical', t.event IN ('recovered', 'lifted'), a.id, t.event
) <= $limit
ORDER BY a.id, t.channel_id, t.event;
