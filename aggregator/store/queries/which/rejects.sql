(organization = $organization OR ($of_nobody::BOOLEAN AND organization IS NULL))
  AND ($device_id::VARCHAR IS NULL OR device_id = $device_id::VARCHAR)
