judge_id IN (
    SELECT judge_id
    FROM store.judges
    WHERE organization = $organization
      AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR)
  )
  AND ($host::VARCHAR IS NULL OR host = $host::VARCHAR)
  AND ($label::VARCHAR IS NULL OR label = $label::VARCHAR)
  AND ($since_ns::BIGINT IS NULL OR window_start_ns >= $since_ns::BIGINT)
  AND ($until_ns::BIGINT IS NULL OR window_start_ns < $until_ns::BIGINT)
