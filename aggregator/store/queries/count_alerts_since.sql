SELECT class, severity, status, suppressed, sum(count)::BIGINT
FROM store.counts_since($since_ns::BIGINT // 60000000000 * 60000000000)
WHERE counted = 'arrived' AND organization = $organization
GROUP BY ALL
HAVING sum(count) > 0
ORDER BY ALL;
