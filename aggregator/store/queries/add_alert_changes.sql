INSERT INTO store.alert_changes (
  id, organization, alert_number, change_id, at_ns, user_id, username, status_before, status_after,
  notes_before, notes_after, assignee_before, assignee_after, expires_before_ns,
  expires_after_ns, reason, comment
)
SELECT
  nextval('store.alert_change_ids'), organization, id, $change_id, $now_ns, $user_id, $username,
  status, coalesce($status::VARCHAR, status),
  notes, if($notes::VARCHAR IS NULL, notes, nullif($notes::VARCHAR, '')),
  assignee, if($assignee::VARCHAR IS NULL, assignee, nullif($assignee::VARCHAR, '')),
  expires_ns, if($status::VARCHAR IS NULL, expires_ns, $expires_ns::BIGINT),
  $reason, $comment
FROM store.alerts
WHERE organization = $organization AND list_contains($numbers::JSON::BIGINT[], id);
