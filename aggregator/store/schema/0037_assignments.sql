-- Who worked on an alert before a change and since; both NULL where a change is older than this.
ALTER TABLE store.alert_changes ADD COLUMN assignee_before VARCHAR;
ALTER TABLE store.alert_changes ADD COLUMN assignee_after VARCHAR;

-- The changes that decided something: no mere remarks.
CREATE VIEW store.decisions AS
SELECT
  id, organization, alert_number, change_id, at_ns, user_id, username, status_before, status_after,
  notes_before, notes_after, assignee_before, assignee_after
FROM store.alert_changes
WHERE status_before <> status_after
  OR notes_before IS DISTINCT FROM notes_after
  OR assignee_before IS DISTINCT FROM assignee_after;

CREATE OR REPLACE VIEW main.alert_changes AS
SELECT
  c.organization, a.device_id, a.alert_id, c.change_id, make_timestamp(c.at_ns // 1000) AS at,
  c.username, c.status_before, c.status_after, c.notes_before, c.notes_after, c.assignee_before,
  c.assignee_after, c.reason, c.comment
FROM store.alert_changes AS c
JOIN store.alerts AS a ON a.id = c.alert_number;

COMMENT ON VIEW main.alert_changes IS 'What people decided about alerts and remarked, one row for each.';
COMMENT ON COLUMN main.alert_changes.organization IS 'whose alert it is; always your own';
COMMENT ON COLUMN main.alert_changes.device_id IS 'the device that raised it';
COMMENT ON COLUMN main.alert_changes.alert_id IS 'the alert';
COMMENT ON COLUMN main.alert_changes.change_id IS 'what was decided at once, about many alerts perhaps';
COMMENT ON COLUMN main.alert_changes.at IS 'when';
COMMENT ON COLUMN main.alert_changes.username IS 'who';
COMMENT ON COLUMN main.alert_changes.status_before IS 'the status before';
COMMENT ON COLUMN main.alert_changes.status_after IS 'and since';
COMMENT ON COLUMN main.alert_changes.notes_before IS 'the notes before';
COMMENT ON COLUMN main.alert_changes.notes_after IS 'and since';
COMMENT ON COLUMN main.alert_changes.assignee_before IS 'who worked on it before';
COMMENT ON COLUMN main.alert_changes.assignee_after IS 'and since';
COMMENT ON COLUMN main.alert_changes.reason IS 'why, in their words';
COMMENT ON COLUMN main.alert_changes.comment IS 'a remark that decides nothing';
