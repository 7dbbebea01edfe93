DELETE FROM store.terminals
WHERE organization = $organization AND terminal_id IN (
  SELECT terminal_id FROM store.terminals
  WHERE organization = $organization AND closed_ns IS NOT NULL
  ORDER BY opened_ns DESC
  OFFSET $kept
)
RETURNING terminal_id;
