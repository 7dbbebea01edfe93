UPDATE store.alerts AS known SET
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
FROM (
  /* which: told_alerts */
) AS told
WHERE known.organization = told.organization
  AND known.device_id = told.device_id
  AND known.alert_id = told.alert_id
  AND known.opened_ns >= $since_ns::BIGINT;
