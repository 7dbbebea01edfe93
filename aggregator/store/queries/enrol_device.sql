MERGE INTO store.devices AS known
USING (SELECT $organization AS organization, $device_id AS device_id) AS told
ON known.organization = told.organization AND known.device_id = told.device_id
WHEN MATCHED AND $replaces::BOOLEAN THEN UPDATE SET
  name = coalesce($name::VARCHAR, known.name),
  type = $type,
  api_key_hash = $api_key_hash,
  broker_password_hash = $broker_password_hash,
  pending = $pending::BOOLEAN
WHEN NOT MATCHED THEN INSERT (
  id, organization, device_id, name, type, api_key_hash, broker_password_hash, pending, online,
  condition, lost_messages, created_ns
) VALUES (
  nextval('store.device_ids'), told.organization, told.device_id,
  coalesce($name::VARCHAR, told.device_id), $type, $api_key_hash, $broker_password_hash,
  $pending::BOOLEAN, FALSE, 'online', 0, $now_ns::BIGINT
)
RETURNING id;
