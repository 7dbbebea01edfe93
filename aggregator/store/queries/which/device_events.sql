organization = $organization
  AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR)
  AND ($event_type::VARCHAR IS NULL OR event_type = $event_type::VARCHAR)
  AND ($since_ns::BIGINT IS NULL OR at_ns >= $since_ns::BIGINT)
  AND ($until_ns::BIGINT IS NULL OR at_ns < $until_ns::BIGINT)
