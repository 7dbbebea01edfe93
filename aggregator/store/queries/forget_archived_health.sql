-- Those of earlier days that the archive holds.
DELETE FROM store.health AS r
USING store.archive_marks AS m
WHERE m.view = 'health' AND m.organization = r.organization AND r.position <= m.position
  AND r.received_ns < $before_ns
  AND ($organization::VARCHAR IS NULL OR r.organization = $organization::VARCHAR);
