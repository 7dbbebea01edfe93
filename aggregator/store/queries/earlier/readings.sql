(
  SELECT organization, device_id, sensor_type, value, unit, read_ns, received_ns
  FROM store.readings
  UNION ALL
  SELECT
    organization, device_id, sensor_type, value, unit, epoch_us(read_at) * 1000,
    epoch_us(received_at) * 1000
  FROM read_parquet($readings_files::JSON::VARCHAR[], hive_partitioning = false)
)
