INSERT INTO store.command_acks (
  organization, device_id, received_ns, command_id, state, at_ns, detail
)
SELECT
  unnest($organization::JSON::VARCHAR[]),
  unnest($device_id::JSON::VARCHAR[]),
  unnest($received_ns::JSON::BIGINT[]),
  unnest($command_id::JSON::VARCHAR[]),
  unnest($state::JSON::VARCHAR[]),
  unnest($at_ns::JSON::BIGINT[]),
  unnest($detail::JSON::VARCHAR[]);
