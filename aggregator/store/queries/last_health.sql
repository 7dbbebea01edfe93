SELECT
  sent_ns, received_ns, uptime_s, cpu_usage_percent, memory_usage_percent, temperature_celsius,
  throttled, process_rss_bytes, frames, windows, hosts, alerts, dropped, queued,
  clock_synchronized, model_id, mode, version
FROM store.health
WHERE organization = $organization AND device_id = $device_id
ORDER BY received_ns DESC, sent_ns DESC
LIMIT 1;
