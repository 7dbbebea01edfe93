SELECT read_ns // $step_ns::BIGINT * $step_ns::BIGINT AS start_ns, count(*), avg(value)
FROM /* rows: readings */
WHERE organization = $organization AND read_ns >= $since_ns::BIGINT
  AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR)
  AND ($sensor_type::VARCHAR IS NULL OR sensor_type = $sensor_type::VARCHAR)
GROUP BY start_ns
ORDER BY start_ns;
