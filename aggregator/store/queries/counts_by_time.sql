SELECT
  start_ns // $step_ns::BIGINT * $step_ns::BIGINT AS start_ns, least(sum(count), 9223372036854775807)::BIGINT, NULL::DOUBLE
FROM query_table($source)
WHERE counted = $counted AND organization = $organization AND NOT suppressed AND class <> 'benign'
  AND start_ns >= $since_ns::BIGINT
  AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR)
GROUP BY ALL
HAVING sum(count) > 0
ORDER BY ALL;
