-- Alerts that channels were told of and that are over since, and isolations for them that ended: a few
-- for each channel, so that none waits for another.
WITH told AS (
  SELECT DISTINCT n.organization, n.channel_id, n.alert_number
  FROM store.notifications AS n
  JOIN store.channels AS c
    ON c.organization = n.organization AND c.id = n.channel_id AND c.recovery
  WHERE n.event = 'alert' AND n.state = 'sent'
)
SELECT t.organization, t.channel_id, ending.event, a.id, a.attack_type, a.severity, a.news
FROM told AS t
JOIN store.alerts AS a ON a.organization = t.organization AND a.id = t.alert_number
JOIN (VALUES ('lifted'), ('recovered')) AS ending(event) ON CASE ending.event
  WHEN 'recovered' THEN
    a.status IN ('resolved', 'false_positive') OR (a.state = 'closed' AND a.windows > 0)
  ELSE (
    SELECT bool_and(i.state IN ('lifted', 'expired')) FROM store.isolations AS i
    WHERE i.organization = a.organization AND i.device_id = a.device_id
      AND i.alert_id = a.alert_id AND i.verified
  )
END
WHERE NOT EXISTS (
  SELECT 1 FROM store.notifications AS n
  WHERE n.organization = t.organization AND n.channel_id = t.channel_id
    AND n.alert_number = t.alert_number AND n.event = ending.event
)
QUALIFY row_number() OVER (PARTITION BY t.channel_id ORDER BY a.id, ending.event) <= $limit
ORDER BY a.id, t.channel_id, ending.event;
