MERGE INTO store.frame_marks AS known
USING (
  /* which: told_frames */
) AS told
ON known.organization = told.organization AND known.device_id = told.device_id
  AND known.boot = told.boot
WHEN MATCHED THEN UPDATE SET
  frames = greatest(known.frames, told.frames), updated_ns = told.received_ns
WHEN NOT MATCHED THEN INSERT (organization, device_id, boot, frames, updated_ns)
VALUES (told.organization, told.device_id, told.boot, told.frames, told.received_ns);
