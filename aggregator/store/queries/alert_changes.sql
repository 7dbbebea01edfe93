SELECT
  id, change_id, at_ns, nullif(user_id, 0), nullif(username, ''), status_before, status_after,
  notes_before, notes_after, assignee_before, assignee_after, expires_before_ns, expires_after_ns,
  reason, comment
FROM store.alert_changes
WHERE organization = $organization AND alert_number = $number
ORDER BY id DESC
LIMIT $limit OFFSET $skip;
