organization = $organization
  AND device_id = $device_id
  AND ($sensor_type::VARCHAR IS NULL OR sensor_type = $sensor_type::VARCHAR)
  AND ($since_ns::BIGINT IS NULL OR read_ns >= $since_ns::BIGINT)
  AND ($until_ns::BIGINT IS NULL OR read_ns < $until_ns::BIGINT)
