SELECT
  terminal_id, organization, device_id, user_id, username, ssh_username, opened_ns, closed_ns, reason
FROM store.terminals
WHERE organization = $organization AND ($terminal_id IS NULL OR terminal_id = $terminal_id)
ORDER BY opened_ns DESC, terminal_id
LIMIT $limit OFFSET $skip;
