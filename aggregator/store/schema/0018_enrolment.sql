-- Codes by which a device enrols itself, and by what the broker knows enrolled devices.
CREATE SEQUENCE store.enrolment_ids;

CREATE TABLE store.enrolments (
  id BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  device_id VARCHAR,                   -- NULL: the device says its name itself
  name VARCHAR,
  replaces BOOLEAN NOT NULL,           -- whether a device of that name gets other keys
  code_hash VARCHAR NOT NULL,
  created_by BIGINT NOT NULL,
  created_ns BIGINT NOT NULL,
  expires_ns BIGINT NOT NULL
);

-- In this order: DuckDB takes no column behind one with a default in the same transaction, where there are rows.
ALTER TABLE store.devices ADD COLUMN broker_password_hash VARCHAR;
ALTER TABLE store.devices ADD COLUMN pending BOOLEAN DEFAULT FALSE;
