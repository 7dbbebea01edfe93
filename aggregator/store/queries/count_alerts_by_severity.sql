SELECT severity, count(*)
FROM store.alerts
WHERE organization = $organization AND received_ns >= $since_ns::BIGINT
GROUP BY severity;
