SELECT window_start_ns // $step_ns::BIGINT * $step_ns::BIGINT AS start_ns, count(*), NULL::DOUBLE
FROM store.verdicts
JOIN store.judges USING (judge_id)
WHERE organization = $organization AND label <> 'benign' AND window_start_ns >= $since_ns::BIGINT
  AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR)
  AND $sensor_type::VARCHAR IS NULL
GROUP BY start_ns
ORDER BY start_ns;
