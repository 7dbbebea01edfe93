DELETE FROM store.models AS m
WHERE m.organization = $organization AND m.model_id = $model_id
  AND NOT EXISTS (
    SELECT 1 FROM store.desired AS d
    WHERE d.organization = $organization AND d.model_id = $model_id
  )
RETURNING m.model_id;
