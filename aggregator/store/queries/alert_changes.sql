SELECT
  id, change_id, at_ns, user_id, username, status_before, status_after, notes_before, notes_after,
  assignee_before, assignee_after, reason, comment
FROM store.alert_changes
WHERE organization = $organization AND alert_number = $number
ORDER BY id DESC
LIMIT $limit OFFSET $skip;
