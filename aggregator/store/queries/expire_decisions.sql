-- By nobody: those first that have waited longest.
INSERT INTO store.alert_changes (
  id, organization, alert_number, change_id, at_ns, user_id, username, status_before, status_after,
  notes_before, notes_after, assignee_before, assignee_after, expires_before_ns, expires_after_ns,
  reason, comment
)
SELECT
  nextval('store.alert_change_ids'), organization, id, $change_id, $now_ns, 0, '', status, 'active',
  notes, notes, assignee, assignee, expires_ns, NULL, 'expired', NULL
FROM store.alerts
WHERE organization = $organization AND expires_ns <= $now_ns::BIGINT
ORDER BY expires_ns, id
LIMIT $most;
