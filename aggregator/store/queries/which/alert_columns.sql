a.id, a.device_id, a.alert_id, a.state, a.attack_type, a.severity, a.status, a.host, a.src_mac,
  a.src_ip, a.dst_ip, a.bridge_port, a.first_seen_ns, a.opened_ns, a.last_seen_ns, a.confidence,
  a.windows, a.packets, a.top_features, a.counterfactual, a.flow, a.community_id, a.model_id,
  a.evidence_sha256, a.received_ns, a.clock_offset_ns, a.acknowledged_ns, a.acknowledged_by,
  a.resolved_ns, a.notes, a.suppressed_by, nullif(a.incident_id, 0), a.assignee, a.expires_ns,
  coalesce(i.verified, FALSE)
