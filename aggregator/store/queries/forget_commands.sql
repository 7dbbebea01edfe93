-- Who lifted an isolation is known by the command: it stays as long as that.
DELETE FROM store.commands AS c
WHERE c.expires_ns < $before_ns AND coalesce(c.told_ns, 0) < $before_ns
  AND ($organization::VARCHAR IS NULL OR c.organization = $organization::VARCHAR)
  AND NOT EXISTS (
    SELECT 1 FROM store.isolations AS i
    WHERE i.organization = c.organization AND i.device_id = c.device_id
      AND i.isolation_id = c.isolation_id
  );
