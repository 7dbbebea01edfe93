INSERT INTO store.verdicts (
  organization, device_id, received_ns, window_ns, classes, model_id, feature_schema_id,
  window_start_ns, host, src_mac, src_ip, dst_ip, label, confidence, scores, packets, wire_bytes,
  sampled_one_in
)
SELECT
  $organization::VARCHAR, $device_id::VARCHAR, $received_ns::BIGINT, $window_ns::BIGINT,
  $classes::JSON::VARCHAR[], $model_id::VARCHAR, $feature_schema_id::VARCHAR,
  unnest($window_start_ns::JSON::BIGINT[]),
  unnest($host::JSON::VARCHAR[]),
  unnest($src_mac::JSON::VARCHAR[]),
  unnest($src_ip::JSON::VARCHAR[]),
  unnest($dst_ip::JSON::VARCHAR[]),
  unnest($label::JSON::VARCHAR[]),
  unnest($confidence::JSON::FLOAT[]),
  unnest($scores::JSON::FLOAT[][]),
  unnest($packets::JSON::BIGINT[]),
  unnest($wire_bytes::JSON::BIGINT[]),
  unnest($sampled_one_in::JSON::INTEGER[]);
