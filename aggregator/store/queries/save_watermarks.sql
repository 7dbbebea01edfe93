MERGE INTO store.watermarks AS known
USING (
  SELECT
    unnest($organization::JSON::VARCHAR[]) AS organization,
    unnest($device_id::JSON::VARCHAR[]) AS device_id,
    unnest($boot::JSON::VARCHAR[]) AS boot,
    unnest($last_seq::JSON::BIGINT[]) AS last_seq,
    unnest($lost::JSON::BIGINT[]) AS lost
) AS told
ON known.organization = told.organization
  AND known.device_id = told.device_id
  AND known.boot = told.boot
WHEN MATCHED THEN UPDATE SET
  last_seq = told.last_seq, lost = told.lost, updated_ns = $now_ns::BIGINT
WHEN NOT MATCHED THEN INSERT (organization, device_id, boot, last_seq, lost, updated_ns)
VALUES (told.organization, told.device_id, told.boot, told.last_seq, told.lost, $now_ns::BIGINT);
