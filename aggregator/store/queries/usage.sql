SELECT
  o.organization, o.max_devices, o.max_users, o.max_messages, o.max_api_calls, o.keep_days,
  o.keep_alerts_days,
  (SELECT count(*) FROM store.devices WHERE organization = $organization) AS devices,
  (SELECT count(*) FROM store.users WHERE organization = $organization AND is_active) AS users,
  (coalesce(u.messages, 0) + coalesce(f.messages, 0))::BIGINT AS messages,
  (coalesce(u.payload_bytes, 0) + coalesce(f.payload_bytes, 0))::BIGINT AS payload_bytes,
  coalesce(u.api_calls, 0) AS api_calls,
  (
    SELECT count(*) FROM store.alerts
    WHERE organization = $organization AND first_seen_ns >= $since_ns AND first_seen_ns < $until_ns
  ) AS alerts,
  (
    SELECT coalesce(sum(file_bytes), 0) FROM store.archive_parts WHERE organization = $organization
  )::BIGINT AS archive_bytes
FROM store.organizations AS o
LEFT JOIN store.usage AS u ON u.organization = o.organization AND u.month = $month::DATE
CROSS JOIN (
  SELECT sum(messages) AS messages, sum(payload_bytes) AS payload_bytes
  FROM store.fresh_usage
  WHERE organization = $organization AND month = $month::DATE
) AS f
WHERE o.organization = $organization;
