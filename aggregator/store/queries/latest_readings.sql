-- Of values of one moment the one that was told last.
SELECT
  any_value(device_id), sensor_type,
  arg_max(value, (read_ns, received_ns, position)), arg_max(unit, (read_ns, received_ns, position)),
  max(read_ns), arg_max(received_ns, (read_ns, received_ns, position))
FROM (
  SELECT device_id, sensor_type, value, unit, read_ns, received_ns, position
  FROM store.readings
  WHERE organization = $organization AND device_id = $device_id
  UNION ALL
  SELECT device_id, sensor_type, value, unit, read_ns, received_ns, -1
  FROM store.last_readings
  WHERE organization = $organization AND device_id = $device_id
)
GROUP BY sensor_type
ORDER BY sensor_type
LIMIT $limit;
