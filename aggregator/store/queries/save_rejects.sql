INSERT INTO store.rejects (
  organization, device_id, topic, reason, received_ns, payload, payload_bytes
)
SELECT
  unnest($organization::JSON::VARCHAR[]),
  unnest($device_id::JSON::VARCHAR[]),
  unnest($topic::JSON::VARCHAR[]),
  unnest($reason::JSON::VARCHAR[]),
  unnest($received_ns::JSON::BIGINT[]),
  from_base64(unnest($payload::JSON::VARCHAR[])),
  unnest($payload_bytes::JSON::BIGINT[]);
