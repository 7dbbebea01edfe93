-- What a change found comes back; alerts that were decided about since are left out. A change from
-- before assignments were kept says nothing about them: they stay. Who takes back that a decision
-- has expired means it for good: it would expire again at once.
INSERT INTO store.alert_changes (
  id, organization, alert_number, change_id, at_ns, user_id, username, status_before, status_after,
  notes_before, notes_after, assignee_before, assignee_after, expires_before_ns,
  expires_after_ns, reason, comment
)
SELECT
  nextval('store.alert_change_ids'), a.organization, a.id, $change_id, $now_ns, $user_id, $username,
  a.status, c.status_before, a.notes, c.notes_before,
  a.assignee, if(c.assignee_before IS DISTINCT FROM c.assignee_after, c.assignee_before, a.assignee),
  a.expires_ns, if(c.expires_before_ns > c.at_ns, c.expires_before_ns, NULL),
  $reason, NULL
FROM store.decisions AS c
JOIN store.alerts AS a ON a.organization = c.organization AND a.id = c.alert_number
WHERE c.organization = $organization AND c.change_id = $undone
  AND NOT EXISTS (
    SELECT 1 FROM store.decisions AS later
    WHERE later.organization = c.organization AND later.alert_number = c.alert_number
      AND later.id > c.id
  )
RETURNING alert_number;
