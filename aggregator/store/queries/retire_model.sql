UPDATE store.models SET retired_ns = $retired_ns
WHERE organization = $organization AND model_id = $model_id
RETURNING model_id;
