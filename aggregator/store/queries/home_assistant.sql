-- What Home Assistant shows of each device; the rate is that of the last minute, within one boot.
SELECT
  k.device_id, k.name, k.type, k.version,
  store.presence_of(k.online, k.vouched, k.last_seen_ns, $late_ns::BIGINT, $stale_ns::BIGINT)
    <> 'offline' AS online,
  coalesce(a.alerts_open, 0), coalesce(i.isolations_active, 0), h.packets_per_s,
  a.last.attack_type, a.last.severity, a.last.host, a.opened_ns
FROM store.devices AS k
LEFT JOIN (
  SELECT
    device_id,
    count(*) FILTER (state = 'open' AND status NOT IN ('resolved', 'false_positive')) AS alerts_open,
    arg_max({'attack_type': attack_type, 'severity': severity, 'host': host}, opened_ns) AS last,
    max(opened_ns) AS opened_ns
  FROM store.alerts
  WHERE organization = $organization AND suppressed_by IS NULL AND status <> 'false_positive'
  GROUP BY device_id
) AS a ON a.device_id = k.device_id
LEFT JOIN (
  SELECT device_id, count(*) AS isolations_active
  FROM store.isolations
  WHERE organization = $organization AND state IN ('applied', 'verified')
    AND expires_ns > $now_ns::BIGINT
  GROUP BY device_id
) AS i ON i.device_id = k.device_id
LEFT JOIN (
  SELECT
    device_id,
    (max(frames) - min(frames)) * 1e9 / nullif(max(sent_ns) - min(sent_ns), 0) AS packets_per_s
  FROM store.health
  WHERE organization = $organization AND received_ns >= $since_ns::BIGINT
  GROUP BY device_id, boot
  QUALIFY row_number() OVER (PARTITION BY device_id ORDER BY max(received_ns) DESC) = 1
) AS h ON h.device_id = k.device_id
WHERE k.organization = $organization AND NOT /* which: pending */
ORDER BY k.id
LIMIT $limit;
