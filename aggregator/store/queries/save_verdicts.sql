-- Rows of several batches at once, each with the number of its batch: a statement costs more than its rows.
INSERT INTO store.verdicts (
  organization, device_id, received_ns, window_ns, classes, model_id, feature_schema_id,
  window_start_ns, host, src_mac, src_ip, dst_ip, label, confidence, scores, packets, wire_bytes,
  sampled_one_in
)
SELECT
  ($organization::JSON::VARCHAR[])[batch], ($device_id::JSON::VARCHAR[])[batch],
  ($received_ns::JSON::BIGINT[])[batch], ($window_ns::JSON::BIGINT[])[batch],
  ($classes::JSON::VARCHAR[][])[batch], ($model_id::JSON::VARCHAR[])[batch],
  ($feature_schema_id::JSON::VARCHAR[])[batch],
  window_start_ns, host, src_mac, src_ip, dst_ip, label, confidence, scores, packets, wire_bytes,
  sampled_one_in
FROM (
  SELECT
    unnest($batch::JSON::INTEGER[]) AS batch,
    unnest($window_start_ns::JSON::BIGINT[]) AS window_start_ns,
    unnest($host::JSON::VARCHAR[]) AS host,
    unnest($src_mac::JSON::VARCHAR[]) AS src_mac,
    unnest($src_ip::JSON::VARCHAR[]) AS src_ip,
    unnest($dst_ip::JSON::VARCHAR[]) AS dst_ip,
    unnest($label::JSON::VARCHAR[]) AS label,
    unnest($confidence::JSON::FLOAT[]) AS confidence,
    unnest($scores::JSON::FLOAT[][]) AS scores,
    unnest($packets::JSON::BIGINT[]) AS packets,
    unnest($wire_bytes::JSON::BIGINT[]) AS wire_bytes,
    unnest($sampled_one_in::JSON::INTEGER[]) AS sampled_one_in
);
