SELECT
  s.id, s.device_id, s.attack_type, s.host, s.src_ip, s.dst_ip, s.reason, s.username,
  s.created_ns, s.expires_ns, s.expires_ns > $now_ns, coalesce(a.hidden, 0), a.last_ns
FROM (
  FROM store.suppressions AS s
  WHERE s.organization = $organization
    AND ($id::BIGINT IS NULL OR s.id = $id::BIGINT)
    AND (s.expires_ns > $now_ns OR NOT $active_only::BOOLEAN)
  ORDER BY s.id DESC
  LIMIT $limit OFFSET $skip
) AS s
LEFT JOIN (
  SELECT suppressed_by, count(*) AS hidden, max(received_ns) AS last_ns
  FROM store.alerts
  WHERE organization = $organization AND suppressed_by IS NOT NULL
  GROUP BY suppressed_by
) AS a ON a.suppressed_by = s.id
ORDER BY s.id DESC;
