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
  clock_offset_ns = told.clock_offset_ns,
  last_seen_ns = told.received_ns
FROM (
  SELECT unnest(COLUMNS(*))
  FROM (SELECT unnest(given) FROM (SELECT json_transform_strict($columns::JSON, '{
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
    "mode": ["VARCHAR"],
    "clock_offset_ns": ["BIGINT"]
  }') AS given))
) AS told
WHERE known.organization = told.organization AND known.device_id = told.device_id;
