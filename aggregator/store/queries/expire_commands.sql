UPDATE store.commands SET
  state = 'expired', rank = 2, detail = 'the device did not answer in time'
WHERE rank < 2 AND expires_ns <= $now_ns::BIGINT
RETURNING organization, command_id;
