SELECT
  device_id, command_id, kind, isolation_id, body, state, rank, detail, user_id, username,
  created_ns, expires_ns, sends, sent_ns, told_ns
FROM store.commands
WHERE organization = $organization
  AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR)
  AND ($command_ids::JSON::VARCHAR[] IS NULL
    OR list_contains($command_ids::JSON::VARCHAR[], command_id))
  AND ($isolation_id::VARCHAR IS NULL OR isolation_id = $isolation_id::VARCHAR)
  AND ($kind::VARCHAR IS NULL OR kind = $kind::VARCHAR)
  AND (NOT $open_only::BOOLEAN OR rank < 2)
ORDER BY created_ns DESC, command_id
LIMIT $limit OFFSET $skip;
