INSERT INTO store.usage (organization, month, messages, payload_bytes, api_calls)
SELECT
  unnest($organization::JSON::VARCHAR[]), $month::DATE, 0, 0, unnest($api_calls::JSON::BIGINT[])
ON CONFLICT (organization, month) DO UPDATE SET
  api_calls = coalesce(usage.api_calls, 0) + excluded.api_calls;
