INSERT INTO store.commands (
  organization, device_id, command_id, kind, isolation_id, body, payload, state, rank, detail,
  user_id, username, created_ns, expires_ns, sends
)
SELECT
  $organization::VARCHAR, $device_id::VARCHAR, $command_id::VARCHAR, $kind::VARCHAR,
  $isolation_id::VARCHAR, $body::VARCHAR, $payload::BLOB, 'queued', 0, '', $user_id::BIGINT,
  $username::VARCHAR, $now_ns::BIGINT, $expires_ns::BIGINT, 0
WHERE ($kind::VARCHAR = 'release' OR (
  SELECT count(*) FROM store.commands
  WHERE organization = $organization AND device_id = $device_id AND rank < 2
    AND (kind = 'collect_evidence') = ($kind::VARCHAR = 'collect_evidence')
) < $most::BIGINT)
  AND NOT EXISTS (
    SELECT 1 FROM store.commands
    WHERE organization = $organization AND device_id = $device_id
      AND rank < 5 AND rank <> 2 AND expires_ns > $now_ns::BIGINT
      AND kind = 'release' AND kind = $kind::VARCHAR AND isolation_id = $isolation_id::VARCHAR
  )
RETURNING command_id;
