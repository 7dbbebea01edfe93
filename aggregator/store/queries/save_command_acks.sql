INSERT INTO store.command_acks (
  organization, device_id, received_ns, command_id, state, at_ns, detail
)
SELECT
  unnest($organization::VARCHAR[]), unnest($device_id::VARCHAR[]), unnest($received_ns::BIGINT[]),
  unnest($command_id::VARCHAR[]), unnest($state::VARCHAR[]), unnest($at_ns::BIGINT[]),
  unnest($detail::VARCHAR[]);
