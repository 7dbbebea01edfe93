-- One that was hidden so far is news to who watches.
SELECT organization, device_id, alert_id
FROM store.alerts
WHERE opened_ns >= $since_ns::BIGINT AND suppressed_by IS NULL
  AND alert_id IN (SELECT unnest($alert_ids::JSON::VARCHAR[]));
