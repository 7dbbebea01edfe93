-- What an organization's devices told, by month (UTC), and what its plan allows; no limit where it is NULL.
CREATE TABLE store.usage (
  organization VARCHAR NOT NULL,
  month DATE NOT NULL,
  messages BIGINT NOT NULL,
  payload_bytes BIGINT NOT NULL,
  PRIMARY KEY (organization, month)
);
ALTER TABLE store.organizations ADD COLUMN max_devices BIGINT;
ALTER TABLE store.organizations ADD COLUMN max_users BIGINT;
ALTER TABLE store.organizations ADD COLUMN max_messages BIGINT;
