-- The classes of a model as one text with commas: as a list they were half of what a verdict cost to store.
ALTER TABLE store.verdicts ALTER classes TYPE VARCHAR USING array_to_string(classes, ',');

CREATE OR REPLACE VIEW store.numbered_verdicts AS
SELECT
  position, organization, device_id, host, src_mac, src_ip, dst_ip, label, confidence, scores,
  string_split(classes, ',') AS classes, packets, wire_bytes, sampled_one_in, model_id,
  make_timestamp(window_start_ns // 1000) AS window_start,
  make_timestamp((window_start_ns + window_ns) // 1000) AS window_end,
  make_timestamp(received_ns // 1000) AS received_at
FROM store.verdicts;
