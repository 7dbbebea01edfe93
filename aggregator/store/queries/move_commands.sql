UPDATE store.commands AS known SET
  state = told.state, rank = told.rank, detail = told.detail, told_ns = told.received_ns
FROM (
  SELECT
    unnest($organization::JSON::VARCHAR[]) AS organization,
    unnest($device_id::JSON::VARCHAR[]) AS device_id,
    unnest($received_ns::JSON::BIGINT[]) AS received_ns,
    unnest($command_id::JSON::VARCHAR[]) AS command_id,
    unnest($state::JSON::VARCHAR[]) AS state,
    unnest($rank::JSON::INTEGER[]) AS rank,
    unnest($detail::JSON::VARCHAR[]) AS detail,
    unnest($declined::JSON::VARCHAR[]) AS declined
) AS told
WHERE known.organization = told.organization
  AND known.device_id = told.device_id
  AND known.command_id = told.command_id
  AND known.rank < told.rank
  AND (told.declined IS NULL OR told.declined = sha256(known.payload));
