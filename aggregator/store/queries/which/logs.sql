organization = $organization
  AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR)
  AND ($level::VARCHAR IS NULL OR level = $level::VARCHAR)
  AND ($component::VARCHAR IS NULL OR component = $component::VARCHAR)
  AND ($since_ns::BIGINT IS NULL OR logged_ns >= $since_ns::BIGINT)
  AND ($until_ns::BIGINT IS NULL OR logged_ns < $until_ns::BIGINT)
  AND ($text::VARCHAR IS NULL
    OR contains(lower(concat_ws(' ', event, component, fields)), lower($text::VARCHAR)))
