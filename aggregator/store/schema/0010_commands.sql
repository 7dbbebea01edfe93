-- What devices are told to do, and how far it has come by their own word.
CREATE TABLE store.commands (
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  command_id VARCHAR NOT NULL,
  kind VARCHAR NOT NULL,               -- isolate, release, set_mode, …
  isolation_id VARCHAR,
  body VARCHAR NOT NULL,               -- JSON
  payload BLOB,                        -- signed, for the broker; NULL: the device polls
  state VARCHAR NOT NULL,
  rank INTEGER NOT NULL,               -- how far that is; only ever rises
  detail VARCHAR NOT NULL,
  user_id BIGINT,
  username VARCHAR NOT NULL,
  created_ns BIGINT NOT NULL,
  expires_ns BIGINT NOT NULL,
  sends INTEGER NOT NULL,
  sent_ns BIGINT,
  told_ns BIGINT                       -- when the device last spoke of it
);

CREATE OR REPLACE VIEW main.commands AS
SELECT
  organization, device_id, command_id, kind, isolation_id, state, detail, username,
  make_timestamp(created_ns // 1000) AS created_at,
  make_timestamp(expires_ns // 1000) AS expires_at,
  make_timestamp(sent_ns // 1000) AS sent_at, make_timestamp(told_ns // 1000) AS told_at
FROM store.commands;

COMMENT ON VIEW main.commands IS 'What devices were told to do, and how far it has come by their own word.';
COMMENT ON COLUMN main.commands.organization IS 'whose device it is; always your own';
COMMENT ON COLUMN main.commands.device_id IS 'the device';
COMMENT ON COLUMN main.commands.command_id IS '32 hexadecimal digits';
COMMENT ON COLUMN main.commands.kind IS 'isolate, release, set_mode and others';
COMMENT ON COLUMN main.commands.isolation_id IS 'the isolation that it is about, if any';
COMMENT ON COLUMN main.commands.state IS 'queued, sent, received, applied, verified, failed or expired';
COMMENT ON COLUMN main.commands.detail IS 'what the device said of it';
COMMENT ON COLUMN main.commands.username IS 'who gave it';
COMMENT ON COLUMN main.commands.created_at IS 'when it was given';
COMMENT ON COLUMN main.commands.expires_at IS 'when it stops counting';
COMMENT ON COLUMN main.commands.sent_at IS 'when it was sent last';
COMMENT ON COLUMN main.commands.told_at IS 'when the device last spoke of it';

-- Who can make authorization codes. The secret is not here: it comes from `salt` and a key file.
CREATE TABLE store.code_secrets (
  organization VARCHAR NOT NULL,
  user_id BIGINT NOT NULL,
  salt VARCHAR NOT NULL,
  created_ns BIGINT NOT NULL,
  confirmed_ns BIGINT,                 -- NULL: no code of it was seen yet
  last_step BIGINT NOT NULL            -- codes up to this step of time are used up
);

CREATE TABLE store.recovery_codes (
  organization VARCHAR NOT NULL,
  user_id BIGINT NOT NULL,
  code_hash VARCHAR NOT NULL,
  used_ns BIGINT
);
