-- Whom an organization has told of its alerts, and what they were told.
-- An alert has a new number here whenever it is new or its class or severity is another.
CREATE SEQUENCE store.alert_news;
ALTER TABLE store.alerts ADD COLUMN news BIGINT DEFAULT nextval('store.alert_news');

CREATE SEQUENCE store.channel_ids;

CREATE TABLE store.channels (
  id BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  name VARCHAR NOT NULL,
  kind VARCHAR NOT NULL,               -- webhook or service
  target VARCHAR NOT NULL,             -- what may be shown of its address
  sealed BLOB NOT NULL,                -- its address and secret; the key is a file
  severities VARCHAR[] NOT NULL,
  attack_types VARCHAR[] NOT NULL,     -- empty: all of them
  per_minute INTEGER NOT NULL,
  quiet VARCHAR,                       -- JSON: from, until, time_zone
  recovery BOOLEAN NOT NULL,
  created_by VARCHAR NOT NULL,
  created_ns BIGINT NOT NULL,
  seen_news BIGINT NOT NULL,           -- alerts up to this number were looked at
  sent BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  dropped BIGINT NOT NULL,
  withheld BIGINT NOT NULL,
  failures INTEGER NOT NULL,           -- in a row
  next_try_ns BIGINT NOT NULL,
  last_sent_ns BIGINT,
  last_error VARCHAR
);

CREATE TABLE store.notifications (
  notification_id VARCHAR NOT NULL,    -- in the order in which they are sent
  organization VARCHAR NOT NULL,
  channel_id BIGINT NOT NULL,
  event VARCHAR NOT NULL,              -- alert, recovered, lifted or more
  alert_number BIGINT,                 -- store.alerts.id
  attack_type VARCHAR,
  severity VARCHAR,
  state VARCHAR NOT NULL,              -- queued, withheld, dropped, sent or failed
  more_id VARCHAR,                     -- the notification that says how many were withheld
  tries INTEGER NOT NULL,
  created_ns BIGINT NOT NULL,
  settled_ns BIGINT
);
