UPDATE store.alerts SET
  status = coalesce($status::VARCHAR, status),
  notes = if($notes::VARCHAR IS NULL, notes, nullif($notes::VARCHAR, '')),
  acknowledged_ns = CASE
    WHEN $status::VARCHAR = 'active' THEN NULL
    WHEN $status::VARCHAR IS NOT NULL THEN coalesce(acknowledged_ns, $now_ns)
    ELSE acknowledged_ns
  END,
  acknowledged_by = CASE
    WHEN $status::VARCHAR = 'active' THEN NULL
    WHEN $status::VARCHAR IS NOT NULL THEN coalesce(acknowledged_by, $user_id)
    ELSE acknowledged_by
  END,
  resolved_ns = CASE
    WHEN $status::VARCHAR IN ('resolved', 'false_positive') THEN coalesce(resolved_ns, $now_ns)
    WHEN $status::VARCHAR IS NOT NULL THEN NULL
    ELSE resolved_ns
  END
WHERE organization = $organization AND list_contains($numbers::JSON::BIGINT[], id);
