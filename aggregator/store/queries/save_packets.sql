INSERT INTO store.packets (
  id, organization, device_id, received_ns, captured_ns, src_mac, dst_mac, src_ip, dst_ip,
  src_port, dst_port, protocol, packet_bytes, ttl, flags, label, confidence
)
SELECT
  nextval('store.packet_ids'), told.*
FROM (
  SELECT
    unnest($organization::VARCHAR[]), unnest($device_id::VARCHAR[]),
    unnest($received_ns::BIGINT[]), unnest($captured_ns::BIGINT[]), unnest($src_mac::VARCHAR[]),
    unnest($dst_mac::VARCHAR[]), unnest($src_ip::VARCHAR[]), unnest($dst_ip::VARCHAR[]),
    unnest($src_port::INTEGER[]), unnest($dst_port::INTEGER[]), unnest($protocol::VARCHAR[]),
    unnest($packet_bytes::BIGINT[]), unnest($ttl::INTEGER[]), unnest($flags::VARCHAR[]),
    unnest($label::VARCHAR[]), unnest($confidence::DOUBLE[])
) AS told;
