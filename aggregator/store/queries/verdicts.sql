-- What is shown is looked up for those that are: sorted with all they hold, a million rows take four times as long.
SELECT
  device_id, window_start_ns, window_ns, host, src_mac, src_ip, dst_ip, label, confidence, scores,
  string_split(classes, ',') AS classes, packets, wire_bytes, sampled_one_in, model_id
FROM store.verdicts
JOIN store.judges USING (judge_id)
WHERE verdicts.rowid IN (
  SELECT rowid
  FROM store.verdicts
  WHERE /* which: verdicts */
  ORDER BY window_start_ns DESC, host
  LIMIT $limit OFFSET $skip
)
ORDER BY window_start_ns DESC, host;
