SELECT
  m.model_id, m.sha256, m.file_bytes, m.metadata, m.signer, m.created_by, m.created_ns,
  m.retired_ns,
  (
    SELECT count(*) FROM store.desired AS d
    WHERE d.organization = $organization AND d.model_id = m.model_id
  ) AS desired_by,
  (
    SELECT count(*) FROM store.devices AS k
    WHERE k.organization = $organization AND k.model_id = m.model_id
  ) AS judges_on
FROM store.models AS m
WHERE m.organization = $organization
  AND ($model_id::VARCHAR IS NULL OR m.model_id = $model_id::VARCHAR)
ORDER BY m.created_ns DESC, m.model_id
LIMIT $limit OFFSET $skip;
