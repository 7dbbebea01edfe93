UPDATE store.alerts AS a SET
  status = c.status_after,
  notes = c.notes_after,
  assignee = c.assignee_after,
  expires_ns = c.expires_after_ns,
  acknowledged_ns = if(c.status_after = 'active', NULL, coalesce(a.acknowledged_ns, c.at_ns)),
  acknowledged_by = if(c.status_after = 'active', NULL, coalesce(a.acknowledged_by, c.user_id)),
  resolved_ns = if(
    c.status_after IN ('resolved', 'false_positive'), coalesce(a.resolved_ns, c.at_ns), NULL
  )
FROM store.alert_changes AS c
WHERE c.organization = $organization AND c.change_id = $change_id
  AND a.organization = c.organization AND a.id = c.alert_number;
