WITH found AS MATERIALIZED (
  FROM store.incidents
  WHERE /* which: incidents */
  ORDER BY last_ns DESC, id DESC
  LIMIT $limit OFFSET $skip
)
SELECT
  i.id, i.device_id, i.host, i.first_ns, i.last_ns, i.status, i.assignee,
  coalesce(a.alerts, 0), coalesce(a.active_alerts, 0), coalesce(a.attack_types, []),
  coalesce(a.severities, []), a.src_ip
FROM found AS i
LEFT JOIN (
  SELECT
    incident_id, count(*) AS alerts, count(*) FILTER (status = 'active') AS active_alerts,
    map_keys(histogram(attack_type)) AS attack_types, map_keys(histogram(severity)) AS severities,
    arg_max(src_ip, last_seen_ns) AS src_ip
  FROM store.alerts
  WHERE organization = $organization AND incident_id IN (SELECT id FROM found)
  GROUP BY incident_id
) AS a ON a.incident_id = i.id
ORDER BY i.last_ns DESC, i.id DESC;
