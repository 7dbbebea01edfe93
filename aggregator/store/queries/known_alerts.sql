SELECT organization, device_id, alert_id
FROM store.alerts
WHERE list_contains($alert_ids::VARCHAR[], alert_id);
