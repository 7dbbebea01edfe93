INSERT INTO store.readings (
  organization, device_id, received_ns, sensor_type, value, unit, read_ns
)
SELECT
  $organization::VARCHAR, $device_id::VARCHAR, $received_ns::BIGINT,
  unnest($sensor_type::JSON::VARCHAR[]),
  unnest($value::JSON::DOUBLE[]),
  unnest($unit::JSON::VARCHAR[]),
  unnest($read_ns::JSON::BIGINT[]);
