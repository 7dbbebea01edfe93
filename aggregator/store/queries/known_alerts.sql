SELECT organization, device_id, alert_id
FROM store.alerts
WHERE list_contains($alert_ids::JSON::VARCHAR[], alert_id);
