SELECT least(coalesce(sum(count), 0), 9223372036854775807)::BIGINT
FROM store.counts_since($since_ns::BIGINT // 60000000000 * 60000000000)
WHERE counted = 'frames' AND organization = $organization;
