INSERT INTO store.verdicts (
  organization, device_id, received_ns, window_ns, classes, model_id, feature_schema_id,
  window_start_ns, host, src_mac, src_ip, dst_ip, label, confidence, scores, packets, wire_bytes
)
SELECT
  $organization::VARCHAR, $device_id::VARCHAR, $received_ns::BIGINT, $window_ns::BIGINT,
  $classes::VARCHAR[], $model_id::VARCHAR, $feature_schema_id::VARCHAR,
  unnest($window_start_ns::BIGINT[]), unnest($host::VARCHAR[]), unnest($src_mac::VARCHAR[]),
  unnest($src_ip::VARCHAR[]), unnest($dst_ip::VARCHAR[]), unnest($label::VARCHAR[]),
  unnest($confidence::FLOAT[]), unnest($scores::FLOAT[][]), unnest($packets::BIGINT[]),
  unnest($wire_bytes::BIGINT[]);
