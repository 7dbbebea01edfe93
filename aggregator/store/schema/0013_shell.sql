-- Devices over SSH. The password is sealed with a key that is not in here; the host key is whose
-- answer we expect.
ALTER TABLE store.devices ADD COLUMN ssh_password BLOB;
ALTER TABLE store.devices ADD COLUMN ssh_host_key VARCHAR;

-- Terminals that were opened; what they showed is in files beside the database.
CREATE TABLE store.terminals (
  terminal_id VARCHAR PRIMARY KEY,
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  user_id BIGINT NOT NULL,
  username VARCHAR NOT NULL,
  ssh_username VARCHAR NOT NULL,
  opened_ns BIGINT NOT NULL,
  closed_ns BIGINT,
  reason VARCHAR
);
