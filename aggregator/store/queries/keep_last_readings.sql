-- Of those that are about to be in the archive alone.
INSERT INTO store.last_readings (
  organization, device_id, sensor_type, value, unit, read_ns, received_ns
)
SELECT
  r.organization, r.device_id, r.sensor_type,
  arg_max(r.value, (r.read_ns, r.received_ns, r.position)),
  arg_max(r.unit, (r.read_ns, r.received_ns, r.position)), max(r.read_ns),
  arg_max(r.received_ns, (r.read_ns, r.received_ns, r.position))
FROM store.readings AS r
JOIN store.archive_marks AS m
  ON m.view = 'readings' AND m.organization = r.organization AND r.position <= m.position
WHERE r.received_ns < $before_ns
  AND ($organization::VARCHAR IS NULL OR r.organization = $organization::VARCHAR)
GROUP BY r.organization, r.device_id, r.sensor_type
ON CONFLICT (organization, device_id, sensor_type) DO UPDATE SET
  value = excluded.value, unit = excluded.unit, read_ns = excluded.read_ns,
  received_ns = excluded.received_ns
  WHERE excluded.read_ns >= last_readings.read_ns;
