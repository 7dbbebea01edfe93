organization = $organization
  AND ($ids::JSON::BIGINT[] IS NULL OR list_contains($ids::JSON::BIGINT[], id))
  AND ($status::VARCHAR IS NULL OR status = $status::VARCHAR)
  AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR)
  AND ($host::VARCHAR IS NULL OR host = $host::VARCHAR)
  AND ($assignee::VARCHAR IS NULL OR assignee = $assignee::VARCHAR)
