INSERT INTO store.health (
  organization, device_id, boot, sent_ns, received_ns, uptime_s, cpu_usage_percent,
  memory_usage_percent, temperature_celsius, throttled, process_rss_bytes, frames, windows, hosts,
  alerts, dropped, queued, clock_synchronized, model_id, mode, version
)
SELECT
  unnest($organization::VARCHAR[]), unnest($device_id::VARCHAR[]), unnest($boot::VARCHAR[]),
  unnest($sent_ns::BIGINT[]), unnest($received_ns::BIGINT[]), unnest($uptime_s::BIGINT[]),
  unnest($cpu_usage_percent::DOUBLE[]), unnest($memory_usage_percent::DOUBLE[]),
  unnest($temperature_celsius::DOUBLE[]), unnest($throttled::BOOLEAN[]),
  unnest($process_rss_bytes::BIGINT[]), unnest($frames::BIGINT[]), unnest($windows::BIGINT[]),
  unnest($hosts::BIGINT[]), unnest($alerts::BIGINT[]), unnest($dropped::VARCHAR[]),
  unnest($queued::VARCHAR[]), unnest($clock_synchronized::BOOLEAN[]),
  unnest($model_id::VARCHAR[]), unnest($mode::VARCHAR[]), unnest($version::VARCHAR[]);
