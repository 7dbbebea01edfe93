MERGE INTO store.watermarks AS known
USING (
  SELECT
    unnest($organization::VARCHAR[]) AS organization,
    unnest($device_id::VARCHAR[]) AS device_id,
    unnest($boot::VARCHAR[]) AS boot,
    unnest($last_seq::BIGINT[]) AS last_seq,
    unnest($lost::BIGINT[]) AS lost
) AS told
ON known.organization = told.organization
  AND known.device_id = told.device_id
  AND known.boot = told.boot
WHEN MATCHED THEN UPDATE SET
  last_seq = told.last_seq, lost = told.lost, updated_ns = $now_ns::BIGINT
WHEN NOT MATCHED THEN INSERT (organization, device_id, boot, last_seq, lost, updated_ns)
VALUES (told.organization, told.device_id, told.boot, told.last_seq, told.lost, $now_ns::BIGINT);
