(
  SELECT organization, device_id, logged_ns, level, component, event, fields, received_ns
  FROM store.logs
  UNION ALL
  SELECT
    organization, device_id, epoch_us(logged_at) * 1000, level, component, event, fields,
    epoch_us(received_at) * 1000
  FROM read_parquet($logs_files::JSON::VARCHAR[], hive_partitioning = false)
)
