-- Each alert twice, by when it was opened and by when it reached us, from one look at the alerts.
CREATE OR REPLACE VIEW store.countable_alerts AS
SELECT
  counted, if(counted = 'opened', opened_ns, received_ns) // 60000000000 * 60000000000 AS start_ns,
  organization, device_id, attack_type AS class, severity, status,
  suppressed_by IS NOT NULL AS suppressed, id, alert_id, suppressed_by, opened_ns, last_seen_ns,
  received_ns
FROM store.alerts
CROSS JOIN (VALUES ('opened'), ('arrived')) AS times(counted);
