-- Rows of several batches. What no class explains has the best class's rest for a confidence.
INSERT INTO store.verdicts (
  judge_id, received_ns, window_start_ns, host, src_mac, src_ip, dst_ip, label, confidence, scores,
  packets, wire_bytes, sampled_one_in
)
SELECT
  judge_id, received_ns, window_start_ns, host, src_mac, src_ip, dst_ip, label,
  CASE place WHEN 0 THEN 1 - list_max(scores) ELSE scores[place] END,
  scores, packets, wire_bytes, sampled_one_in
FROM given;
