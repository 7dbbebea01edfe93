-- One that was hidden so far is news to who watches.
SELECT organization, device_id, alert_id
FROM store.alerts
WHERE list_contains($alert_ids::JSON::VARCHAR[], alert_id) AND suppressed_by IS NULL;
