SELECT organization, device_id, command_id, payload, expires_ns
FROM store.commands
WHERE payload IS NOT NULL AND rank < 2 AND expires_ns > $now_ns::BIGINT
  AND (
    sends = 0
    OR sent_ns + $again_ns::BIGINT * (1::BIGINT << least(sends - 1, 16)) <= $now_ns::BIGINT
  )
ORDER BY created_ns
LIMIT $limit;
