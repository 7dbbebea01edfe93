SELECT organization, device_id, alert_id, min(opened_ns), bool_and(suppressed_by IS NOT NULL)
FROM store.alerts
WHERE opened_ns >= $since_ns::BIGINT
  AND alert_id IN (SELECT unnest($alert_ids::JSON::VARCHAR[]))
GROUP BY ALL;
