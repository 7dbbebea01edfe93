SELECT
  c.id, c.name, c.kind, c.target, c.sealed, c.severities, c.attack_types, c.per_minute, c.quiet,
  c.recovery, c.created_by, c.created_ns, c.sent, c.failed, c.dropped, c.withheld,
  (
    SELECT count(*) FROM store.notifications AS n
    WHERE n.organization = $organization AND n.channel_id = c.id AND n.state = 'queued'
  ),
  c.last_sent_ns, c.last_error
FROM store.channels AS c
WHERE c.organization = $organization AND ($id::BIGINT IS NULL OR c.id = $id::BIGINT)
ORDER BY c.id DESC
LIMIT $limit OFFSET $skip;
