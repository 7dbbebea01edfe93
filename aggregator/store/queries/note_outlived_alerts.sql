INSERT INTO store.fresh_counts (
  counted, start_ns, organization, device_id, class, severity, status, suppressed, count
)
SELECT
  counted, start_ns, organization, device_id, class, severity, status, suppressed,
  $sign * count(*)
FROM store.countable_alerts
WHERE organization = $organization AND id IN (SELECT unnest($numbers::JSON::BIGINT[]))
GROUP BY ALL;
