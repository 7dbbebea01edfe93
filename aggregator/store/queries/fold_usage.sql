INSERT INTO store.usage (organization, month, messages, payload_bytes)
SELECT organization, month, sum(messages)::BIGINT, sum(payload_bytes)::BIGINT
FROM store.fresh_usage
GROUP BY ALL
ON CONFLICT (organization, month) DO UPDATE SET
  messages = usage.messages + excluded.messages,
  payload_bytes = usage.payload_bytes + excluded.payload_bytes;
