SELECT
  a.*,
  (
    SELECT min(s.id) FROM store.suppressions AS s
    WHERE s.organization = a.organization AND s.expires_ns > a.received_ns
      AND (s.device_id IS NULL OR s.device_id = a.device_id)
      AND (s.attack_type IS NULL OR s.attack_type = a.attack_type)
      AND (s.host IS NULL OR s.host = a.host)
      AND (s.src_ip IS NULL OR s.src_ip = a.src_ip)
      AND (s.dst_ip IS NULL OR s.dst_ip = a.dst_ip)
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
