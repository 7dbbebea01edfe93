-- Of each channel the oldest few, so that none waits for another.
SELECT
  n.organization, n.channel_id, n.notification_id, n.event, n.alert_number, n.tries, n.created_ns
FROM store.notifications AS n
JOIN store.channels AS c ON c.organization = n.organization AND c.id = n.channel_id
WHERE n.state = 'queued' AND c.next_try_ns <= $now_ns
QUALIFY row_number() OVER (PARTITION BY n.channel_id ORDER BY n.notification_id) <= $limit
ORDER BY n.notification_id;
