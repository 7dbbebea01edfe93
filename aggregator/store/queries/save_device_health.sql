UPDATE store.devices AS known SET
  condition = told.condition,
  cpu_usage_percent = told.cpu_usage_percent,
  memory_usage_percent = told.memory_usage_percent,
  temperature_celsius = told.temperature_celsius,
  uptime_s = told.uptime_s,
  boot = told.boot,
  version = told.version,
  model_id = told.model_id,
  mode = told.mode,
  last_seen_ns = told.received_ns
FROM (
  SELECT
    unnest($organization::VARCHAR[]) AS organization,
    unnest($device_id::VARCHAR[]) AS device_id,
    unnest($received_ns::BIGINT[]) AS received_ns,
    unnest($boot::VARCHAR[]) AS boot,
    unnest($condition::VARCHAR[]) AS condition,
    unnest($cpu_usage_percent::DOUBLE[]) AS cpu_usage_percent,
    unnest($memory_usage_percent::DOUBLE[]) AS memory_usage_percent,
    unnest($temperature_celsius::DOUBLE[]) AS temperature_celsius,
    unnest($uptime_s::BIGINT[]) AS uptime_s,
    unnest($version::VARCHAR[]) AS version,
    unnest($model_id::VARCHAR[]) AS model_id,
    unnest($mode::VARCHAR[]) AS mode
) AS told
WHERE known.organization = told.organization AND known.device_id = told.device_id;
