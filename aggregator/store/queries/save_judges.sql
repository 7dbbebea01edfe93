INSERT INTO store.judges (
  judge_id, organization, device_id, model_id, feature_schema_id, classes, window_ns
)
SELECT *
FROM (
  SELECT
    unnest($judge_id::JSON::BIGINT[]) AS judge_id, unnest($organization::JSON::VARCHAR[]),
    unnest($device_id::JSON::VARCHAR[]), unnest($model_id::JSON::VARCHAR[]),
    unnest($feature_schema_id::JSON::VARCHAR[]), unnest($classes::JSON::VARCHAR[]),
    unnest($window_ns::JSON::BIGINT[])
)
WHERE judge_id NOT IN (SELECT judge_id FROM store.judges);
