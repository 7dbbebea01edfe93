-- The archive has no numbers of rows: one that is made of the row is the same whenever it is asked for.
(
  SELECT
    id, organization, device_id, captured_ns, src_mac, dst_mac, src_ip, dst_ip, src_port, dst_port,
    protocol, packet_bytes, ttl, flags, label, confidence, received_ns
  FROM store.packets
  UNION ALL
  SELECT
    (hash(device_id, captured_at, src_mac, src_ip, src_port, dst_ip, dst_port) >> 11)::BIGINT,
    organization, device_id, epoch_us(captured_at) * 1000, src_mac, dst_mac, src_ip, dst_ip,
    src_port, dst_port, protocol, packet_bytes, ttl, flags, label, confidence,
    epoch_us(received_at) * 1000
  FROM read_parquet($packets_files::JSON::VARCHAR[], hive_partitioning = false)
)
