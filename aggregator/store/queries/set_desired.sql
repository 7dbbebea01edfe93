MERGE INTO store.desired AS known
USING (SELECT $organization::VARCHAR AS organization, $device_id::VARCHAR AS device_id) AS given
ON known.organization = given.organization AND known.device_id = given.device_id
WHEN MATCHED THEN UPDATE SET
  model_id = $model_id, sha256 = $sha256, mode = $mode, user_id = $user_id, username = $username,
  set_ns = $now_ns, differs_ns = NULL
WHEN NOT MATCHED THEN INSERT (
  organization, device_id, model_id, sha256, mode, user_id, username, set_ns
) VALUES (
  given.organization, given.device_id, $model_id, $sha256, $mode, $user_id, $username, $now_ns
);
