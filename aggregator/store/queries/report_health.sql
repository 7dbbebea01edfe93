UPDATE store.devices SET
  online = TRUE,
  condition = $condition,
  cpu_usage_percent = $cpu_usage_percent,
  memory_usage_percent = $memory_usage_percent,
  temperature_celsius = $temperature_celsius,
  uptime_s = $uptime_s,
  last_seen_ns = $now_ns
WHERE organization = $organization AND device_id = $device_id
RETURNING id;
