-- Who changed what about an alert, when and why; a change of many alerts at once has one change_id.
CREATE SEQUENCE store.alert_change_ids;

CREATE TABLE store.alert_changes (
  id BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  alert_number BIGINT NOT NULL,        -- store.alerts.id
  change_id VARCHAR NOT NULL,
  at_ns BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  username VARCHAR NOT NULL,
  status_before VARCHAR NOT NULL,
  status_after VARCHAR NOT NULL,
  notes_before VARCHAR,
  notes_after VARCHAR,
  reason VARCHAR,
  comment VARCHAR
);

CREATE VIEW main.alert_changes AS
SELECT
  c.organization, a.device_id, a.alert_id, c.change_id, make_timestamp(c.at_ns // 1000) AS at,
  c.username, c.status_before, c.status_after, c.notes_before, c.notes_after, c.reason, c.comment
FROM store.alert_changes AS c
JOIN store.alerts AS a ON a.id = c.alert_number;
