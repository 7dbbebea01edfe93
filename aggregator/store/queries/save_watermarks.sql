MERGE INTO store.watermarks AS known
USING (
  SELECT unnest(COLUMNS(*))
  FROM (SELECT unnest(given) FROM (SELECT json_transform_strict($columns::JSON, '{
    "organization": ["VARCHAR"],
    "device_id": ["VARCHAR"],
    "boot": ["VARCHAR"],
    "last_seq": ["BIGINT"],
    "lost": ["BIGINT"],
    "frames": ["BIGINT"]
  }') AS given))
) AS told
ON known.organization = told.organization
  AND known.device_id = told.device_id
  AND known.boot = told.boot
WHEN MATCHED THEN UPDATE SET
  last_seq = told.last_seq, lost = told.lost, frames = told.frames, updated_ns = $now_ns::BIGINT
WHEN NOT MATCHED THEN INSERT (organization, device_id, boot, last_seq, lost, frames, updated_ns)
VALUES (
  told.organization, told.device_id, told.boot, told.last_seq, told.lost, told.frames,
  $now_ns::BIGINT
);
