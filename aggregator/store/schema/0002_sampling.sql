-- Verdicts of an overloaded agent say of how many flows it took one.
ALTER TABLE store.verdicts ADD COLUMN sampled_one_in INTEGER DEFAULT 1;

CREATE OR REPLACE VIEW main.verdicts AS
SELECT
  organization, device_id, host, src_mac, src_ip, dst_ip, label, confidence, scores, classes,
  packets, wire_bytes, sampled_one_in, model_id,
  make_timestamp(window_start_ns // 1000) AS window_start,
  window_start_ns, window_start_ns + window_ns AS window_end_ns, received_ns
FROM store.verdicts;
