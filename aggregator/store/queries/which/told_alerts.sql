SELECT
  a.*,
  (
    SELECT min(s.id) FROM store.suppressions AS s
    WHERE s.expires_ns > a.received_ns AND /* which: hides */
  ) AS suppressed_by
FROM (
  SELECT unnest(COLUMNS(*))
  FROM (SELECT unnest(given) FROM (SELECT json_transform_strict($columns::JSON, '{
    "organization": ["VARCHAR"],
    "device_id": ["VARCHAR"],
    "received_ns": ["BIGINT"],
    "alert_id": ["VARCHAR"],
    "state": ["VARCHAR"],
    "attack_type": ["VARCHAR"],
    "severity": ["VARCHAR"],
    "host": ["VARCHAR"],
    "src_mac": ["VARCHAR"],
    "src_ip": ["VARCHAR"],
    "dst_ip": ["VARCHAR"],
    "bridge_port": ["VARCHAR"],
    "first_seen_ns": ["BIGINT"],
    "opened_ns": ["BIGINT"],
    "last_seen_ns": ["BIGINT"],
    "confidence": ["DOUBLE"],
    "windows": ["BIGINT"],
    "packets": ["BIGINT"],
    "top_features": ["VARCHAR"],
    "counterfactual": ["VARCHAR"],
    "flow": ["VARCHAR"],
    "community_id": ["VARCHAR"],
    "model_id": ["VARCHAR"],
    "evidence_sha256": ["VARCHAR"],
    "clock_offset_ns": ["BIGINT"]
  }') AS given))
) AS a
