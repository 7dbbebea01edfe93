SELECT
  sensor_type, arg_max(unit, (read_ns, received_ns, position)),
  count(*), min(value), max(value), avg(value),
  arg_max(value, (read_ns, received_ns, position)), min(read_ns), max(read_ns)
FROM /* rows: readings */
WHERE organization = $organization
  AND device_id = $device_id
  AND ($sensor_type::VARCHAR IS NULL OR sensor_type = $sensor_type::VARCHAR)
  AND ($since_ns::BIGINT IS NULL OR read_ns >= $since_ns::BIGINT)
  AND ($until_ns::BIGINT IS NULL OR read_ns < $until_ns::BIGINT)
GROUP BY sensor_type
ORDER BY sensor_type
LIMIT $limit;
