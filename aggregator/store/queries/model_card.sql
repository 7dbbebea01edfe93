SELECT card FROM store.models WHERE organization = $organization AND model_id = $model_id;
