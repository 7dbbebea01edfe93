INSERT INTO store.fresh_counts (
  counted, start_ns, organization, device_id, class, severity, status, suppressed, count
)
SELECT
  counted, start_ns, organization, device_id, class, severity, status, suppressed,
  -1 * count(*)
FROM store.countable_alerts
WHERE last_seen_ns < $before_ns AND received_ns < $before_ns
  AND ($organization::VARCHAR IS NULL OR organization = $organization::VARCHAR)
GROUP BY ALL;
