-- From when on the newest are is found first: sorted with all they hold, a million rows take seven times as long.
SELECT
  device_id, window_start_ns, window_ns, host, src_mac, src_ip, dst_ip, label, confidence, scores,
  string_split(classes, ',') AS classes, packets, wire_bytes, sampled_one_in, model_id
FROM (
  FROM store.verdicts
  WHERE /* which: verdicts */
    AND window_start_ns >= (
      SELECT min(window_start_ns)
      FROM (
        SELECT window_start_ns
        FROM store.verdicts
        WHERE /* which: verdicts */
        ORDER BY window_start_ns DESC
        LIMIT $limit::BIGINT + $skip::BIGINT
      )
    )
  ORDER BY window_start_ns DESC, host, judge_id
  LIMIT $limit OFFSET $skip
)
JOIN store.judges USING (judge_id)
ORDER BY window_start_ns DESC, host, judge_id;
