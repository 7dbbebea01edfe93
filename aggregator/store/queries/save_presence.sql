MERGE INTO store.devices AS known
USING (
  SELECT
    unnest($organization::JSON::VARCHAR[]) AS organization,
    unnest($device_id::JSON::VARCHAR[]) AS device_id,
    unnest($received_ns::JSON::BIGINT[]) AS received_ns,
    unnest($online::JSON::BOOLEAN[]) AS online,
    unnest($just_now::JSON::BOOLEAN[]) AS just_now,
    unnest($boot::JSON::VARCHAR[]) AS boot,
    unnest($version::JSON::VARCHAR[]) AS version,
    unnest($model_id::JSON::VARCHAR[]) AS model_id,
    unnest($device_type::JSON::VARCHAR[]) AS device_type
) AS told
ON known.organization = told.organization AND known.device_id = told.device_id
WHEN MATCHED THEN UPDATE SET
  online = told.online,
  type = told.device_type,
  boot = told.boot,
  version = told.version,
  model_id = told.model_id,
  last_seen_ns = CASE
    WHEN told.online AND (told.just_now OR known.last_seen_ns IS NULL) THEN told.received_ns
    ELSE known.last_seen_ns
  END
WHEN NOT MATCHED THEN INSERT (
  id, organization, device_id, name, type, online, condition, boot, version, model_id,
  lost_messages, last_seen_ns, created_ns
) VALUES (
  nextval('store.device_ids'), told.organization, told.device_id, told.device_id,
  told.device_type, told.online, 'online', told.boot, told.version, told.model_id, 0,
  told.received_ns, told.received_ns
);
