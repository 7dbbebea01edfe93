-- In the archive a row's place in its file stands for its position: files are given and written in that order.
(
  SELECT organization, device_id, logged_ns, level, component, event, fields, received_ns, position
  FROM store.logs
  UNION ALL
  SELECT
    organization, device_id, epoch_us(logged_at) * 1000, level, component, event, fields,
    epoch_us(received_at) * 1000,
    file_index * 1000000000 + file_row_number
  FROM read_parquet($logs_files::JSON::VARCHAR[], hive_partitioning = false)
)
