-- What was added to the times that a device tells, where its clock was wrong.
ALTER TABLE store.alerts ADD COLUMN clock_offset_ns BIGINT DEFAULT 0;
ALTER TABLE store.devices ADD COLUMN clock_offset_ns BIGINT DEFAULT 0;
