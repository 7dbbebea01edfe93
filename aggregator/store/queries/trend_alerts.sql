SELECT opened_ns // $step_ns::BIGINT * $step_ns::BIGINT AS start_ns, count(*), NULL::DOUBLE
FROM store.alerts
WHERE organization = $organization AND opened_ns >= $since_ns::BIGINT
  AND suppressed_by IS NULL
  AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR)
  AND $sensor_type::VARCHAR IS NULL
GROUP BY start_ns
ORDER BY start_ns;
