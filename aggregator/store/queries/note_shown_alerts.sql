-- They leave those that are hidden and come to those that are not.
INSERT INTO store.fresh_counts (
  counted, start_ns, organization, device_id, class, severity, status, suppressed, count
)
SELECT
  counted, start_ns, organization, device_id, class, severity, status, moved.suppressed,
  any_value(moved.sign) * count(*)
FROM store.countable_alerts
CROSS JOIN (VALUES (TRUE, -1), (FALSE, 1)) AS moved(suppressed, sign)
WHERE organization = $organization AND id IN (
  SELECT a.id FROM store.alerts AS a
  WHERE a.organization = $organization AND a.suppressed_by = $id AND NOT /* which: going_on */
)
GROUP BY counted, start_ns, organization, device_id, class, severity, status, moved.suppressed;
