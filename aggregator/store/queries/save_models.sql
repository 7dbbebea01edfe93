UPDATE store.devices AS known SET model_id = told.active, models = told.installed
FROM (
  SELECT
    unnest($organization::JSON::VARCHAR[]) AS organization,
    unnest($device_id::JSON::VARCHAR[]) AS device_id,
    unnest($received_ns::JSON::BIGINT[]) AS received_ns,
    unnest($active::JSON::VARCHAR[]) AS active,
    unnest($installed::JSON::VARCHAR[][]) AS installed
) AS told
WHERE known.organization = told.organization AND known.device_id = told.device_id;
