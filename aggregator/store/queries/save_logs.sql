INSERT INTO store.logs (
  organization, device_id, received_ns, logged_ns, level, component, event, fields
)
SELECT
  $organization::VARCHAR,
  $device_id::VARCHAR,
  $received_ns::BIGINT,
  unnest($logged_ns::JSON::BIGINT[]),
  unnest($level::JSON::VARCHAR[]),
  unnest($component::JSON::VARCHAR[]),
  unnest($event::JSON::VARCHAR[]),
  unnest($fields::JSON::VARCHAR[]);
