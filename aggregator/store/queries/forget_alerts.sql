DELETE FROM store.alerts WHERE last_seen_ns < $before_ns AND received_ns < $before_ns
  AND ($organization::VARCHAR IS NULL OR organization = $organization::VARCHAR);
