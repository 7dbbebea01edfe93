INSERT INTO store.usage (organization, month, messages, payload_bytes)
SELECT
  unnest($organization::JSON::VARCHAR[]), $month::DATE, unnest($messages::JSON::BIGINT[]),
  unnest($payload_bytes::JSON::BIGINT[])
ON CONFLICT (organization, month) DO UPDATE SET
  messages = usage.messages + excluded.messages,
  payload_bytes = usage.payload_bytes + excluded.payload_bytes;
