INSERT INTO store.packets (
  id, organization, device_id, received_ns, captured_ns, src_mac, dst_mac, src_ip, dst_ip,
  src_port, dst_port, protocol, packet_bytes, ttl, flags, label, confidence
)
SELECT
  nextval('store.packet_ids'), told.*
FROM (
  SELECT
    unnest($organization::JSON::VARCHAR[]),
    unnest($device_id::JSON::VARCHAR[]),
    unnest($received_ns::JSON::BIGINT[]),
    unnest($captured_ns::JSON::BIGINT[]),
    unnest($src_mac::JSON::VARCHAR[]),
    unnest($dst_mac::JSON::VARCHAR[]),
    unnest($src_ip::JSON::VARCHAR[]),
    unnest($dst_ip::JSON::VARCHAR[]),
    unnest($src_port::JSON::INTEGER[]),
    unnest($dst_port::JSON::INTEGER[]),
    unnest($protocol::JSON::VARCHAR[]),
    unnest($packet_bytes::JSON::BIGINT[]),
    unnest($ttl::JSON::INTEGER[]),
    unnest($flags::JSON::VARCHAR[]),
    unnest($label::JSON::VARCHAR[]),
    unnest($confidence::JSON::DOUBLE[])
) AS told;
