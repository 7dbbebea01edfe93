-- Those of earlier days that the archive holds.
DELETE FROM store.logs AS r
USING store.archive_marks AS m
WHERE m.view = 'logs' AND m.organization = r.organization AND r.position <= m.position
  AND r.received_ns < $before_ns
  AND ($organization::VARCHAR IS NULL OR r.organization = $organization::VARCHAR);
