SELECT
  c.organization, c.id, c.kind, c.sealed, c.per_minute, c.quiet, c.failures, c.next_try_ns,
  count(n.state) FILTER (n.state = 'queued'), count(n.state) FILTER (n.state = 'withheld')
FROM store.channels AS c
LEFT JOIN store.notifications AS n
  ON n.organization = c.organization AND n.channel_id = c.id
  AND (n.state = 'queued' OR (n.state = 'withheld' AND n.more_id IS NULL))
GROUP BY ALL
ORDER BY c.id;
