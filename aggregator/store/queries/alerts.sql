-- The newest are found by a few columns before the others of theirs are read.
SELECT
  a.id, a.device_id, a.alert_id, a.state, a.attack_type, a.severity, a.status, a.host, a.src_mac,
  a.src_ip, a.dst_ip, a.bridge_port, a.first_seen_ns, a.opened_ns, a.last_seen_ns, a.confidence,
  a.windows, a.packets, a.top_features, a.counterfactual, a.model_id, a.evidence_sha256, a.received_ns,
  a.acknowledged_ns, a.acknowledged_by, a.resolved_ns, a.notes, coalesce(i.verified, FALSE)
FROM (
  FROM store.alerts AS a
  WHERE a.organization = $organization
    AND ($alert_ids::JSON::VARCHAR[] IS NULL
      OR list_contains($alert_ids::JSON::VARCHAR[], a.alert_id))
    AND ($numbers::JSON::BIGINT[] IS NULL OR list_contains($numbers::JSON::BIGINT[], a.id))
    AND ($status::VARCHAR IS NULL OR a.status = $status::VARCHAR)
    AND ($severity::VARCHAR IS NULL OR a.severity = $severity::VARCHAR)
    AND ($attack_type::VARCHAR IS NULL OR lower(a.attack_type) = lower($attack_type::VARCHAR))
    AND ($src_ip::VARCHAR IS NULL OR a.src_ip = $src_ip::VARCHAR)
    AND ($device_id::VARCHAR IS NULL OR a.device_id = $device_id::VARCHAR)
    AND ($since_ns::BIGINT IS NULL OR a.opened_ns >= $since_ns::BIGINT)
    AND ($until_ns::BIGINT IS NULL OR a.opened_ns < $until_ns::BIGINT)
    AND ($received_since_ns::BIGINT IS NULL OR a.received_ns >= $received_since_ns::BIGINT)
    AND ($text::VARCHAR IS NULL OR contains(
      lower(concat_ws(
        ' ', a.alert_id, a.attack_type, a.host, a.src_ip, a.dst_ip, a.device_id, a.notes
      )),
      lower($text::VARCHAR)
    ))
  ORDER BY a.opened_ns DESC, a.id DESC
  LIMIT $limit OFFSET $skip
) AS a
LEFT JOIN (
  SELECT device_id, alert_id, bool_or(verified) AS verified
  FROM store.isolations
  WHERE organization = $organization AND alert_id IS NOT NULL
  GROUP BY device_id, alert_id
) AS i ON i.device_id = a.device_id AND i.alert_id = a.alert_id
ORDER BY a.opened_ns DESC, a.id DESC;
