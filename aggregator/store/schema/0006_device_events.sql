-- Who came and went: told by a device service, or found out by the centre; the newest are kept.
CREATE SEQUENCE store.device_event_ids;

CREATE TABLE store.device_events (
  id BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,          -- need not be enrolled: a device service may know others
  event_type VARCHAR NOT NULL,         -- connected or disconnected
  cause VARCHAR NOT NULL,              -- told, guest (told without a token) or noticed
  at_ns BIGINT NOT NULL
);

-- What was last made known of a device: online, late or offline.
ALTER TABLE store.devices ADD COLUMN presence VARCHAR DEFAULT 'offline';
-- Whether an open socket vouches for it, so that its silence means nothing. NULL: nobody ever did
-- (a default of FALSE would want a setting changed, and those are locked).
ALTER TABLE store.devices ADD COLUMN vouched BOOLEAN;

CREATE MACRO store.presence_of(online, vouched, last_seen_ns, late_ns, stale_ns) AS CASE
  WHEN NOT online THEN 'offline'
  WHEN vouched OR last_seen_ns >= late_ns THEN 'online'
  WHEN last_seen_ns >= stale_ns THEN 'late'
  ELSE 'offline'
END;

CREATE VIEW main.device_events AS
SELECT organization, device_id, event_type, cause, make_timestamp(at_ns // 1000) AS at
FROM store.device_events;
