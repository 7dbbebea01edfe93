-- Who exists, where sessions come from, and an audit that shows what was done to it.
CREATE TABLE store.organizations (
  organization VARCHAR NOT NULL,
  name VARCHAR NOT NULL,
  created_ns BIGINT NOT NULL
);

INSERT INTO store.organizations
SELECT organization, organization, min(created_ns)
FROM (
  SELECT organization, created_ns FROM store.users
  UNION ALL
  SELECT organization, created_ns FROM store.devices
)
GROUP BY organization;

ALTER TABLE store.sessions ADD COLUMN address VARCHAR DEFAULT '';
ALTER TABLE store.sessions ADD COLUMN program VARCHAR DEFAULT '';  -- as the client calls itself
ALTER TABLE store.sessions ADD COLUMN last_used_ns BIGINT;

-- Each entry of an organization holds the hash of the one before it: what is changed, taken out
-- or put in later breaks the chain there. queries/add_audit.sql and verify_audit.sql agree on it.
CREATE TABLE store.chained_audit (
  organization VARCHAR NOT NULL,
  seq BIGINT NOT NULL,                 -- 1, 2, 3, … in each organization
  at_ns BIGINT NOT NULL,
  user_id BIGINT,
  username VARCHAR NOT NULL,
  address VARCHAR NOT NULL,
  action VARCHAR NOT NULL,
  target VARCHAR NOT NULL,
  detail VARCHAR NOT NULL,
  before VARCHAR NOT NULL,             -- JSON, or empty
  after VARCHAR NOT NULL,              -- JSON, or empty
  hash VARCHAR NOT NULL
);

INSERT INTO store.chained_audit
WITH RECURSIVE numbered AS (
  SELECT
    organization, row_number() OVER (PARTITION BY organization ORDER BY at_ns, rowid) AS seq,
    at_ns, user_id, username, '' AS address, action, target, detail, '' AS before, '' AS after
  FROM store.audit
), chained AS (
  SELECT
    numbered.*,
    sha256(json_array(
      '', organization, seq, at_ns, user_id, username, address, action, target, detail, before,
      after
    )::VARCHAR) AS hash
  FROM numbered
  WHERE seq = 1
  UNION ALL
  SELECT
    following.*,
    sha256(json_array(
      chained.hash, following.organization, following.seq, following.at_ns, following.user_id,
      following.username, following.address, following.action, following.target,
      following.detail, following.before, following.after
    )::VARCHAR)
  FROM chained
  JOIN numbered AS following
    ON following.organization = chained.organization AND following.seq = chained.seq + 1
)
SELECT
  organization, seq, at_ns, user_id, username, address, action, target, detail, before, after, hash
FROM chained;

DROP TABLE store.audit;
ALTER TABLE store.chained_audit RENAME TO audit;

CREATE OR REPLACE VIEW main.audit AS
SELECT
  organization, seq, make_timestamp(at_ns // 1000) AS at, username, address, action, target, detail,
  before, after, hash
FROM store.audit;

CREATE SEQUENCE store.invite_ids;
CREATE SEQUENCE store.api_token_ids;

-- Each lets one person register, once.
CREATE TABLE store.invites (
  id BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  role VARCHAR NOT NULL,
  email VARCHAR,
  token_hash VARCHAR NOT NULL,
  created_by BIGINT NOT NULL,
  created_ns BIGINT NOT NULL,
  expires_ns BIGINT NOT NULL
);

-- What a program shows instead of a password; of the kind `api`, or `stream` for WebSockets alone.
CREATE TABLE store.api_tokens (
  id BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  user_id BIGINT NOT NULL,
  name VARCHAR NOT NULL,
  kind VARCHAR NOT NULL,
  role VARCHAR NOT NULL,
  token_hash VARCHAR NOT NULL,
  created_ns BIGINT NOT NULL,
  expires_ns BIGINT NOT NULL,
  last_used_ns BIGINT
);
