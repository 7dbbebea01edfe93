SELECT
  id, device_id, isolation_id, alert_id, host, isolated_mac, isolated_ip, isolated_port, reason,
  enforcement, state, isolated_ns, expires_ns, lifted_ns, detail, active
FROM (
  SELECT
    id, device_id, isolation_id, alert_id, host, isolated_mac, isolated_ip, isolated_port, reason,
    enforcement, state, isolated_ns, expires_ns, lifted_ns, detail,
    state IN ('applied', 'verified') AND expires_ns > $now_ns::BIGINT AS active
  FROM store.isolations
  WHERE organization = $organization
)
WHERE (active OR NOT $active_only::BOOLEAN)
  AND ($isolation_ids::JSON::VARCHAR[] IS NULL
    OR list_contains($isolation_ids::JSON::VARCHAR[], isolation_id))
  AND ($alert_id::VARCHAR IS NULL OR alert_id = $alert_id::VARCHAR)
ORDER BY isolated_ns DESC, id DESC
LIMIT $limit;
