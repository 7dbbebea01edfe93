SELECT
  class, severity, status, suppressed, least(sum(count), 9223372036854775807)::BIGINT, counted
FROM store.counts_since($since_ns::BIGINT // 60000000000 * 60000000000)
WHERE counted IN ('arrived', 'frames') AND organization = $organization
GROUP BY class, severity, status, suppressed, counted
HAVING sum(count) > 0
ORDER BY ALL;
