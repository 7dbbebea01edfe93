-- Who judged, and how, is the same for thousands of rows: told in each, it was half of what a verdict cost to store.
CREATE TABLE store.judges (
  judge_id BIGINT NOT NULL,            -- made of the others
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  model_id VARCHAR NOT NULL,
  feature_schema_id VARCHAR NOT NULL,
  classes VARCHAR NOT NULL,            -- of the model, with commas
  window_ns BIGINT NOT NULL
);

INSERT INTO store.judges
SELECT row_number() OVER (), *
FROM (
  SELECT DISTINCT organization, device_id, model_id, feature_schema_id, classes, window_ns
  FROM store.verdicts
);

CREATE TABLE store.judged (
  judge_id BIGINT NOT NULL,
  received_ns BIGINT NOT NULL,
  window_start_ns BIGINT NOT NULL,
  host VARCHAR NOT NULL,
  src_mac VARCHAR,
  src_ip VARCHAR,
  dst_ip VARCHAR,
  label VARCHAR NOT NULL,
  confidence FLOAT NOT NULL,           -- the score of the label
  scores FLOAT[] NOT NULL,             -- in the order of the judge's classes
  packets BIGINT NOT NULL,
  wire_bytes BIGINT NOT NULL,
  sampled_one_in INTEGER NOT NULL,
  position BIGINT DEFAULT nextval('store.positions')
);

INSERT INTO store.judged
SELECT
  judge_id, received_ns, window_start_ns, host, src_mac, src_ip, dst_ip, label, confidence, scores,
  packets, wire_bytes, coalesce(sampled_one_in, 1), position
FROM store.verdicts
JOIN store.judges USING (
  organization, device_id, model_id, feature_schema_id, classes, window_ns
);

DROP TABLE store.verdicts;
ALTER TABLE store.judged RENAME TO verdicts;

CREATE OR REPLACE VIEW store.numbered_verdicts AS
SELECT
  position, organization, device_id, host, src_mac, src_ip, dst_ip, label, confidence, scores,
  string_split(classes, ',') AS classes, packets, wire_bytes, sampled_one_in, model_id,
  make_timestamp(window_start_ns // 1000) AS window_start,
  make_timestamp((window_start_ns + window_ns) // 1000) AS window_end,
  make_timestamp(received_ns // 1000) AS received_at
FROM store.verdicts
JOIN store.judges USING (judge_id);
