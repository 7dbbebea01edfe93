INSERT INTO store.fresh_counts (
  counted, start_ns, organization, device_id, class, severity, status, suppressed, count
)
SELECT
  counted, start_ns, organization, device_id, class, severity, status, suppressed,
  $sign * count(*)
FROM store.countable_alerts
WHERE organization = $organization AND id IN (
  SELECT alert_number FROM store.alert_changes
  WHERE organization = $organization AND change_id = $change_id
)
GROUP BY ALL;
