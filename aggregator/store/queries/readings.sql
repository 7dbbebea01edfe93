SELECT device_id, sensor_type, value, unit, read_ns, received_ns
FROM /* rows: readings */
WHERE /* which: readings */
ORDER BY read_ns DESC, received_ns DESC, position DESC
LIMIT $limit OFFSET $skip;
