INSERT INTO store.models (
  organization, model_id, sha256, file_bytes, metadata, card, signer, created_by, created_ns
)
SELECT
  $organization::VARCHAR, $model_id::VARCHAR, $sha256::VARCHAR, $file_bytes::BIGINT,
  $metadata::VARCHAR, $card::VARCHAR, $signer::VARCHAR, $created_by::VARCHAR, $now_ns::BIGINT
WHERE (SELECT count(*) FROM store.models WHERE organization = $organization) < $most::BIGINT
  AND NOT EXISTS (
    SELECT 1 FROM store.models
    WHERE organization = $organization AND model_id = $model_id::VARCHAR
  )
RETURNING model_id;
