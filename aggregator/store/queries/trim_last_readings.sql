-- A device chooses the names of its sensors: so many of each are kept, and none for longer than the archive.
DELETE FROM store.last_readings
WHERE ($organization::VARCHAR IS NULL OR organization = $organization::VARCHAR)
  AND (received_ns < $before_ns OR (organization, device_id, sensor_type) IN (
    SELECT (organization, device_id, sensor_type)
    FROM store.last_readings
    QUALIFY row_number() OVER (PARTITION BY organization, device_id ORDER BY received_ns DESC) > $most
  ));
