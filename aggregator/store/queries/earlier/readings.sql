-- In the archive a row's place in its file stands for its position: files are given and written in that order.
(
  SELECT organization, device_id, sensor_type, value, unit, read_ns, received_ns, position
  FROM store.readings
  UNION ALL
  SELECT
    organization, device_id, sensor_type, value, unit, epoch_us(read_at) * 1000,
    epoch_us(received_at) * 1000,
    file_index * 1000000000 + file_row_number
  FROM read_parquet($readings_files::JSON::VARCHAR[], hive_partitioning = false)
)
