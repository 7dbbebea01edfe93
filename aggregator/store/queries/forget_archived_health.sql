-- Those of earlier days that the archive holds, but for the last of each device: it says what is missing of a
-- device that has been cut off for days.
DELETE FROM store.health AS r
USING store.archive_marks AS m
WHERE m.view = 'health' AND m.organization = r.organization AND r.position <= m.position
  AND r.received_ns < $before_ns
  AND ($organization::VARCHAR IS NULL OR r.organization = $organization::VARCHAR)
  AND r.position NOT IN (
    SELECT arg_max(h.position, (h.received_ns, h.sent_ns))
    FROM store.health AS h
    JOIN store.devices AS d ON d.organization = h.organization AND d.device_id = h.device_id
    GROUP BY h.organization, h.device_id
  );
