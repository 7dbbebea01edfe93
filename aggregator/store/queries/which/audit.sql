organization = $organization
  AND ($username::VARCHAR IS NULL OR lower(username) = lower($username::VARCHAR))
  AND ($action::VARCHAR IS NULL OR action = $action::VARCHAR
    OR starts_with(action, $action::VARCHAR || '.'))
  AND ($target::VARCHAR IS NULL OR target = $target::VARCHAR)
  AND ($address::VARCHAR IS NULL OR address = $address::VARCHAR)
  AND ($since_ns::BIGINT IS NULL OR at_ns >= $since_ns::BIGINT)
  AND ($until_ns::BIGINT IS NULL OR at_ns < $until_ns::BIGINT)
