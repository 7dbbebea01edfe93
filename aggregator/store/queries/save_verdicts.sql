-- Rows of several batches, each with the number of its batch. What no class explains has the best class's
-- rest for a confidence.
INSERT INTO store.verdicts (
  organization, device_id, received_ns, window_ns, classes, model_id, feature_schema_id,
  window_start_ns, host, src_mac, src_ip, dst_ip, label, confidence, scores, packets, wire_bytes,
  sampled_one_in
)
SELECT
  ($organization::JSON::VARCHAR[])[batch], ($device_id::JSON::VARCHAR[])[batch],
  ($received_ns::JSON::BIGINT[])[batch], ($window_ns::JSON::BIGINT[])[batch],
  ($classes::JSON::VARCHAR[])[batch], ($model_id::JSON::VARCHAR[])[batch],
  ($feature_schema_id::JSON::VARCHAR[])[batch],
  window_start_ns, host, src_mac, src_ip, dst_ip, label,
  CASE place WHEN 0 THEN 1 - list_max(scores) ELSE scores[place] END,
  scores, packets, wire_bytes, sampled_one_in
FROM given;
