INSERT INTO store.rejects (
  organization, device_id, topic, reason, received_ns, payload, payload_bytes
)
SELECT
  unnest($organization::VARCHAR[]), unnest($device_id::VARCHAR[]), unnest($topic::VARCHAR[]),
  unnest($reason::VARCHAR[]), unnest($received_ns::BIGINT[]), unnest($payload::BLOB[]),
  unnest($payload_bytes::BIGINT[]);
