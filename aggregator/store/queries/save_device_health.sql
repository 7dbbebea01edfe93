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
    unnest($organization::JSON::VARCHAR[]) AS organization,
    unnest($device_id::JSON::VARCHAR[]) AS device_id,
    unnest($received_ns::JSON::BIGINT[]) AS received_ns,
    unnest($boot::JSON::VARCHAR[]) AS boot,
    unnest($condition::JSON::VARCHAR[]) AS condition,
    unnest($cpu_usage_percent::JSON::DOUBLE[]) AS cpu_usage_percent,
    unnest($memory_usage_percent::JSON::DOUBLE[]) AS memory_usage_percent,
    unnest($temperature_celsius::JSON::DOUBLE[]) AS temperature_celsius,
    unnest($uptime_s::JSON::BIGINT[]) AS uptime_s,
    unnest($version::JSON::VARCHAR[]) AS version,
    unnest($model_id::JSON::VARCHAR[]) AS model_id,
    unnest($mode::JSON::VARCHAR[]) AS mode
) AS told
WHERE known.organization = told.organization AND known.device_id = told.device_id;
