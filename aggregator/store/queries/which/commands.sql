organization = $organization
  AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR)
  AND ($command_ids::JSON::VARCHAR[] IS NULL
    OR list_contains($command_ids::JSON::VARCHAR[], command_id))
  AND ($isolation_id::VARCHAR IS NULL OR isolation_id = $isolation_id::VARCHAR)
  AND ($kind::VARCHAR IS NULL OR kind = $kind::VARCHAR)
  AND (NOT $open_only::BOOLEAN OR rank < 2)
  AND ($ended_ns::BIGINT IS NULL OR (rank = 2 AND expires_ns = $ended_ns::BIGINT))
