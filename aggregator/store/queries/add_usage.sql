INSERT INTO store.fresh_usage (organization, month, messages, payload_bytes)
SELECT
  unnest($organization::JSON::VARCHAR[]), $month::DATE, unnest($messages::JSON::BIGINT[]),
  unnest($payload_bytes::JSON::BIGINT[]);
