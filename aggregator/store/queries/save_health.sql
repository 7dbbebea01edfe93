INSERT INTO store.health (
  organization, device_id, boot, sent_ns, received_ns, uptime_s, cpu_usage_percent,
  memory_usage_percent, temperature_celsius, throttled, process_rss_bytes, frames, windows, hosts,
  alerts, dropped, queued, clock_synchronized, model_id, mode, version
)
SELECT unnest(COLUMNS(*))
FROM (SELECT unnest(given) FROM (SELECT json_transform_strict($columns::JSON, '{
  "organization": ["VARCHAR"],
  "device_id": ["VARCHAR"],
  "boot": ["VARCHAR"],
  "sent_ns": ["BIGINT"],
  "received_ns": ["BIGINT"],
  "uptime_s": ["BIGINT"],
  "cpu_usage_percent": ["DOUBLE"],
  "memory_usage_percent": ["DOUBLE"],
  "temperature_celsius": ["DOUBLE"],
  "throttled": ["BOOLEAN"],
  "process_rss_bytes": ["BIGINT"],
  "frames": ["BIGINT"],
  "windows": ["BIGINT"],
  "hosts": ["BIGINT"],
  "alerts": ["BIGINT"],
  "dropped": ["VARCHAR"],
  "queued": ["VARCHAR"],
  "clock_synchronized": ["BOOLEAN"],
  "model_id": ["VARCHAR"],
  "mode": ["VARCHAR"],
  "version": ["VARCHAR"]
}') AS given));
