INSERT INTO store.fresh_counts (
  counted, start_ns, organization, device_id, class, severity, status, suppressed, count
)
SELECT
  counted, start_ns, organization, device_id, class, severity, status, suppressed,
  $sign * count(*)
FROM store.countable_alerts
WHERE opened_ns >= $since_ns::BIGINT AND alert_id IN (SELECT unnest($alert_ids::JSON::VARCHAR[]))
GROUP BY ALL;
