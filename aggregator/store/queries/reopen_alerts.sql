-- What people have closed, or put off, and what turns out to be another class or graver now: update_alerts makes
-- it active. By nobody.
INSERT INTO store.alert_changes (
  id, organization, alert_number, change_id, at_ns, user_id, username, status_before, status_after,
  notes_before, notes_after, assignee_before, assignee_after, expires_before_ns, expires_after_ns,
  reason, comment
)
SELECT
  nextval('store.alert_change_ids'), known.organization, known.id, $change_id, told.received_ns, 0, '',
  known.status, 'active', known.notes, known.notes, known.assignee, known.assignee,
  known.expires_ns, NULL,
  concat(
    'turned out to be ', told.attack_type, ', ', told.severity, '; was ', known.attack_type, ', ',
    known.severity
  ), NULL
FROM (
  SELECT unnest(COLUMNS(*))
  FROM (SELECT unnest(given) FROM (SELECT json_transform_strict($columns::JSON, '{
    "organization": ["VARCHAR"],
    "device_id": ["VARCHAR"],
    "received_ns": ["BIGINT"],
    "alert_id": ["VARCHAR"],
    "attack_type": ["VARCHAR"],
    "severity": ["VARCHAR"]
  }') AS given))
) AS told
JOIN store.alerts AS known
  ON known.organization = told.organization AND known.device_id = told.device_id
  AND known.alert_id = told.alert_id AND known.opened_ns >= $since_ns::BIGINT
WHERE known.status <> 'active'
  AND /* which: turned_out */;
