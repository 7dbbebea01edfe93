UPDATE store.devices AS known SET model_id = told.active, models = told.installed
FROM (
  SELECT
    unnest($organization::VARCHAR[]) AS organization,
    unnest($device_id::VARCHAR[]) AS device_id,
    unnest($received_ns::BIGINT[]) AS received_ns,
    unnest($active::VARCHAR[]) AS active,
    unnest($installed::VARCHAR[][]) AS installed
) AS told
WHERE known.organization = told.organization AND known.device_id = told.device_id;
