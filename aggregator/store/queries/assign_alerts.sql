UPDATE store.alerts AS a SET assignee = nullif($assignee::VARCHAR, '')
FROM store.alert_changes AS c
WHERE $assignee::VARCHAR IS NOT NULL AND c.organization = $organization
  AND c.change_id = $change_id AND a.organization = c.organization AND a.id = c.alert_number;
