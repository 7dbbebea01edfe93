-- Agents that are there and act in another mode than they are to: after a restart that is so again.
SELECT d.organization, d.device_id, d.mode, d.user_id, d.username
FROM store.desired AS d
JOIN store.devices AS k ON k.organization = d.organization AND k.device_id = d.device_id
WHERE d.mode IS NOT NULL AND k.mode IS DISTINCT FROM d.mode
  AND k.type IN ('edge_ml', 'feature_extraction')
  AND store.presence_of(k.online, k.vouched, k.last_seen_ns, $late_ns::BIGINT, $stale_ns::BIGINT)
    <> 'offline'
  AND NOT EXISTS (
    SELECT 1 FROM store.commands AS c
    WHERE c.organization = d.organization AND c.device_id = d.device_id
      AND c.kind = 'set_mode' AND c.created_ns >= d.set_ns
      AND (c.state = 'failed' OR c.created_ns > $recent_ns::BIGINT)
  )
ORDER BY d.set_ns
LIMIT $limit;
