INSERT INTO store.readings (
  organization, device_id, received_ns, sensor_type, value, unit, read_ns
)
SELECT
  $organization::VARCHAR, $device_id::VARCHAR, $received_ns::BIGINT,
  unnest($sensor_type::VARCHAR[]), unnest($value::DOUBLE[]), unnest($unit::VARCHAR[]),
  unnest($read_ns::BIGINT[]);
