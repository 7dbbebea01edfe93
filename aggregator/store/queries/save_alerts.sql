MERGE INTO store.alerts AS known
USING (
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
) AS told
ON known.organization = told.organization
  AND known.device_id = told.device_id
  AND known.alert_id = told.alert_id
  AND known.opened_ns >= $since_ns::BIGINT
WHEN MATCHED THEN UPDATE SET
  state = told.state,
  attack_type = told.attack_type,
  severity = told.severity,
  status = CASE WHEN /* which: turned_out */ THEN 'active' ELSE known.status END,
  acknowledged_ns = CASE WHEN /* which: turned_out */ THEN NULL ELSE known.acknowledged_ns END,
  acknowledged_by = CASE WHEN /* which: turned_out */ THEN NULL ELSE known.acknowledged_by END,
  resolved_ns = CASE WHEN /* which: turned_out */ THEN NULL ELSE known.resolved_ns END,
  expires_ns = CASE WHEN /* which: turned_out */ THEN NULL ELSE known.expires_ns END,
  src_mac = told.src_mac,
  src_ip = told.src_ip,
  dst_ip = told.dst_ip,
  bridge_port = told.bridge_port,
  last_seen_ns = told.last_seen_ns,
  confidence = told.confidence,
  windows = told.windows,
  packets = told.packets,
  top_features = told.top_features,
  counterfactual = told.counterfactual,
  flow = told.flow,
  community_id = told.community_id,
  model_id = told.model_id,
  evidence_sha256 = coalesce(told.evidence_sha256, known.evidence_sha256),
  news = CASE
    WHEN told.attack_type = known.attack_type AND told.severity = known.severity THEN known.news
    ELSE nextval('store.alert_news')
  END,
  suppressed_by = CASE
    WHEN known.suppressed_by IS NULL THEN NULL
    WHEN told.attack_type = known.attack_type AND told.severity = known.severity
      THEN known.suppressed_by
    ELSE told.suppressed_by
  END,
  incident_id = CASE
    WHEN known.suppressed_by IS NULL OR known.incident_id IS NOT NULL THEN known.incident_id
    WHEN told.attack_type = known.attack_type AND told.severity = known.severity THEN NULL
    WHEN told.suppressed_by IS NULL THEN 0
  END
WHEN NOT MATCHED THEN INSERT (
  id, organization, device_id, alert_id, state, attack_type, severity, status, host, src_mac,
  src_ip, dst_ip, bridge_port, first_seen_ns, opened_ns, last_seen_ns, confidence, windows,
  packets, top_features, counterfactual, flow, community_id, model_id, evidence_sha256, received_ns,
  suppressed_by, incident_id, clock_offset_ns
) VALUES (
  nextval('store.alert_ids'), told.organization, told.device_id, told.alert_id, told.state,
  told.attack_type, told.severity, 'active', told.host, told.src_mac, told.src_ip, told.dst_ip,
  told.bridge_port, told.first_seen_ns, told.opened_ns, told.last_seen_ns, told.confidence,
  told.windows, told.packets, told.top_features, told.counterfactual, told.flow, told.community_id,
  told.model_id, told.evidence_sha256, told.received_ns, told.suppressed_by, CASE WHEN told.suppressed_by IS NULL THEN 0 END,
  told.clock_offset_ns
);
