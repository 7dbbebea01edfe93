SELECT organization
FROM store.alerts
WHERE expires_ns <= $now_ns::BIGINT
GROUP BY organization
ORDER BY min(expires_ns), organization
LIMIT $most;
