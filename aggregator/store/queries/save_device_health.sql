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
    unnest(given.organization) AS organization,
    unnest(given.device_id) AS device_id,
    unnest(given.received_ns) AS received_ns,
    unnest(given.boot) AS boot,
    unnest(given.condition) AS condition,
    unnest(given.cpu_usage_percent) AS cpu_usage_percent,
    unnest(given.memory_usage_percent) AS memory_usage_percent,
    unnest(given.temperature_celsius) AS temperature_celsius,
    unnest(given.uptime_s) AS uptime_s,
    unnest(given.version) AS version,
    unnest(given.model_id) AS model_id,
    unnest(given.mode) AS mode
  FROM (SELECT json_transform_strict($columns::JSON, '{
        "organization": ["VARCHAR"],
        "device_id": ["VARCHAR"],
        "received_ns": ["BIGINT"],
        "boot": ["VARCHAR"],
        "condition": ["VARCHAR"],
        "cpu_usage_percent": ["DOUBLE"],
        "memory_usage_percent": ["DOUBLE"],
        "temperature_celsius": ["DOUBLE"],
        "uptime_s": ["BIGINT"],
        "version": ["VARCHAR"],
        "model_id": ["VARCHAR"],
        "mode": ["VARCHAR"]
      }') AS given)
) AS told
WHERE known.organization = told.organization AND known.device_id = told.device_id;
