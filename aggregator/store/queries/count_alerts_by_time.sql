SELECT happened_ns // $step_ns::BIGINT * $step_ns::BIGINT AS start_ns, count(*), NULL::DOUBLE
FROM (
  SELECT CASE WHEN $by_arrival::BOOLEAN THEN received_ns ELSE opened_ns END AS happened_ns
  FROM store.alerts
  WHERE organization = $organization AND suppressed_by IS NULL
)
WHERE happened_ns >= $since_ns::BIGINT
GROUP BY start_ns
ORDER BY start_ns;
