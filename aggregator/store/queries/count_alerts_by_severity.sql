SELECT severity, count(*)
FROM store.alerts
WHERE organization = $organization AND received_ns >= $since_ns::BIGINT
  AND suppressed_by IS NULL
GROUP BY severity;
