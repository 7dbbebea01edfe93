SELECT
  any_value(device_id), sensor_type,
  arg_max(value, (read_ns, received_ns)), arg_max(unit, (read_ns, received_ns)),
  max(read_ns), arg_max(received_ns, (read_ns, received_ns))
FROM (
  SELECT device_id, sensor_type, value, unit, read_ns, received_ns
  FROM store.readings
  WHERE organization = $organization AND device_id = $device_id
  UNION ALL
  SELECT device_id, sensor_type, value, unit, read_ns, received_ns
  FROM store.last_readings
  WHERE organization = $organization AND device_id = $device_id
)
GROUP BY sensor_type
ORDER BY sensor_type
LIMIT $limit;
