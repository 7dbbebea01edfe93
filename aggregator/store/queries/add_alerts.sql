INSERT INTO store.alerts (
  id, organization, device_id, alert_id, state, attack_type, severity, status, host, src_mac,
  src_ip, dst_ip, bridge_port, first_seen_ns, opened_ns, last_seen_ns, confidence, windows,
  packets, top_features, counterfactual, flow, community_id, model_id, evidence_sha256, received_ns,
  suppressed_by, incident_id, clock_offset_ns
)
SELECT
  nextval('store.alert_ids'), told.organization, told.device_id, told.alert_id, told.state,
  told.attack_type, told.severity, 'active', told.host, told.src_mac, told.src_ip, told.dst_ip,
  told.bridge_port, told.first_seen_ns, told.opened_ns, told.last_seen_ns, told.confidence,
  told.windows, told.packets, told.top_features, told.counterfactual, told.flow, told.community_id,
  told.model_id, told.evidence_sha256, told.received_ns,
  told.suppressed_by, CASE WHEN told.suppressed_by IS NULL THEN 0 END, told.clock_offset_ns
FROM (
  /* which: told_alerts */
) AS told;
