UPDATE store.incidents SET
  status = coalesce($status::VARCHAR, status),
  assignee = if($assignee::VARCHAR IS NULL, assignee, nullif($assignee::VARCHAR, ''))
WHERE organization = $organization AND id = $id;
