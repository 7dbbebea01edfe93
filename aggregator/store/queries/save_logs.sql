INSERT INTO store.logs (
  organization, device_id, received_ns, logged_ns, level, component, event, fields
)
SELECT
  $organization::VARCHAR, $device_id::VARCHAR, $received_ns::BIGINT, unnest($logged_ns::BIGINT[]),
  unnest($level::VARCHAR[]), unnest($component::VARCHAR[]), unnest($event::VARCHAR[]),
  unnest($fields::VARCHAR[]);
