-- Agents that are there and judge with another model than they are to, and were not told yet, or
-- told without an answer. What one has answered is for people: told again it would say the same.
SELECT d.organization, d.device_id, d.model_id, d.sha256, d.user_id, d.username
FROM store.desired AS d
JOIN store.devices AS k ON k.organization = d.organization AND k.device_id = d.device_id
WHERE d.model_id IS NOT NULL AND k.model_id IS DISTINCT FROM d.model_id
  AND k.type IN ('edge_ml', 'feature_extraction')
  AND store.presence_of(k.online, k.vouched, k.last_seen_ns, $late_ns::BIGINT, $stale_ns::BIGINT)
    <> 'offline'
  AND NOT EXISTS (
    SELECT 1 FROM store.commands AS c
    WHERE c.organization = d.organization AND c.device_id = d.device_id
      AND c.kind = 'install_model' AND c.created_ns >= d.set_ns
      AND c.state <> 'expired' AND NOT (c.state = 'received' AND c.told_ns < $silent_ns::BIGINT)
  )
ORDER BY d.set_ns
LIMIT $limit;
