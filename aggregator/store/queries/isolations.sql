SELECT
  id, device_id, isolation_id, alert_id, host, isolated_mac, isolated_ip, isolated_port, reason,
  enforcement, state, isolated_ns, expires_ns, lifted_ns, detail, losses, further_losses,
  host_group, part, alert_status, active, lifted_by
FROM (
  SELECT
    i.id, i.device_id, i.isolation_id, i.alert_id, i.host, i.isolated_mac, i.isolated_ip,
    i.isolated_port, i.reason, i.enforcement, i.state, i.isolated_ns, i.expires_ns, i.lifted_ns,
    i.detail, i.losses, i.further_losses, i.host_group, i.part,
    (
      SELECT max(a.status) FROM store.alerts AS a
      WHERE a.organization = i.organization AND a.device_id = i.device_id
        AND a.alert_id = i.alert_id
    ) AS alert_status,
    i.state IN ('applied', 'verified') AND i.expires_ns > $now_ns::BIGINT AS active,
    CASE WHEN i.state = 'lifted' THEN (
      SELECT arg_max(c.user_id, c.told_ns) FROM store.commands AS c
      WHERE c.organization = i.organization AND c.device_id = i.device_id
        AND c.isolation_id = i.isolation_id AND c.kind = 'release' AND c.state = 'verified'
    ) END AS lifted_by
  FROM store.isolations AS i
  WHERE i.organization = $organization
)
WHERE (active OR NOT $active_only::BOOLEAN)
  AND ($isolation_ids::JSON::VARCHAR[] IS NULL
    OR list_contains($isolation_ids::JSON::VARCHAR[], isolation_id))
  AND ($id::BIGINT IS NULL OR id = $id::BIGINT)
  AND ($alert_id::VARCHAR IS NULL OR alert_id = $alert_id::VARCHAR)
ORDER BY isolated_ns DESC, id DESC
LIMIT $limit OFFSET $skip;
