SELECT
  id, device_id, name, type, ip_address, mac_address, location,
  CASE store.presence_of(online, vouched, last_seen_ns, $late_ns::BIGINT, $stale_ns::BIGINT)
    WHEN 'offline' THEN 'offline'
    WHEN 'late' THEN if(condition = 'online', 'warning', condition)
    ELSE condition
  END AS status,
  cpu_usage_percent, memory_usage_percent, temperature_celsius, uptime_s, version, model_id, mode,
  models, lost_messages, last_seen_ns, created_ns, /* which: pending */ AS pending,
  (
    SELECT d.differs_ns FROM store.desired AS d
    WHERE d.organization = k.organization AND d.device_id = k.device_id
      AND d.differs_ns <= $drift_ns::BIGINT
  ) AS drifting_ns,
  clock_offset_ns, boot IS NOT NULL AS has_agent
FROM store.devices AS k
WHERE k.organization = $organization
  AND ($device_ids::JSON::VARCHAR[] IS NULL
    OR device_id IN (SELECT unnest($device_ids::JSON::VARCHAR[])))
ORDER BY id
LIMIT $limit OFFSET $skip;
