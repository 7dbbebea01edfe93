INSERT INTO store.fresh_counts (
  counted, start_ns, organization, device_id, class, severity, status, suppressed, count
)
SELECT
  $counted, unnest($start_ns::JSON::BIGINT[]), unnest($organization::JSON::VARCHAR[]),
  unnest($device_id::JSON::VARCHAR[]), unnest($label::JSON::VARCHAR[]), '', '', FALSE,
  unnest($count::JSON::BIGINT[]);
