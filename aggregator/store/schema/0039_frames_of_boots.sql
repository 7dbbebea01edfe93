-- How many frames a boot has told of stands beside how far it is stored: one statement instead of three.
ALTER TABLE store.watermarks ADD COLUMN frames BIGINT DEFAULT 0;

UPDATE store.watermarks AS known SET frames = told.frames
FROM store.frame_marks AS told
WHERE known.organization = told.organization
  AND known.device_id = told.device_id
  AND known.boot = told.boot;

DROP TABLE store.frame_marks;
