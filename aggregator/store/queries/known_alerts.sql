-- Two looks that both find by time where to look: what was opened by a clock that is another by now has
-- reached us since.
SELECT organization, device_id, alert_id, min(opened_ns), bool_and(suppressed_by IS NOT NULL)
FROM (
  SELECT organization, device_id, alert_id, opened_ns, suppressed_by
  FROM store.alerts
  WHERE opened_ns >= $since_ns::BIGINT
    AND alert_id IN (SELECT unnest($alert_ids::JSON::VARCHAR[]))
  UNION ALL
  SELECT organization, device_id, alert_id, opened_ns, suppressed_by
  FROM store.alerts
  WHERE received_ns >= $since_ns::BIGINT
    AND alert_id IN (SELECT unnest($alert_ids::JSON::VARCHAR[]))
)
GROUP BY ALL;
