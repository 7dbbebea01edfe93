INSERT INTO store.health (
  organization, device_id, boot, sent_ns, received_ns, uptime_s, cpu_usage_percent,
  memory_usage_percent, temperature_celsius, throttled, process_rss_bytes, frames, windows, hosts,
  alerts, dropped, queued, clock_synchronized, model_id, mode, version
)
SELECT
  unnest($organization::JSON::VARCHAR[]),
  unnest($device_id::JSON::VARCHAR[]),
  unnest($boot::JSON::VARCHAR[]),
  unnest($sent_ns::JSON::BIGINT[]),
  unnest($received_ns::JSON::BIGINT[]),
  unnest($uptime_s::JSON::BIGINT[]),
  unnest($cpu_usage_percent::JSON::DOUBLE[]),
  unnest($memory_usage_percent::JSON::DOUBLE[]),
  unnest($temperature_celsius::JSON::DOUBLE[]),
  unnest($throttled::JSON::BOOLEAN[]),
  unnest($process_rss_bytes::JSON::BIGINT[]),
  unnest($frames::JSON::BIGINT[]),
  unnest($windows::JSON::BIGINT[]),
  unnest($hosts::JSON::BIGINT[]),
  unnest($alerts::JSON::BIGINT[]),
  unnest($dropped::JSON::VARCHAR[]),
  unnest($queued::JSON::VARCHAR[]),
  unnest($clock_synchronized::JSON::BOOLEAN[]),
  unnest($model_id::JSON::VARCHAR[]),
  unnest($mode::JSON::VARCHAR[]),
  unnest($version::JSON::VARCHAR[]);
