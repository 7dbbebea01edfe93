SELECT
  device_id, command_id, kind, isolation_id, body, state, rank, detail, user_id, username,
  created_ns, expires_ns, sends, sent_ns, told_ns
FROM store.commands
WHERE /* which: commands */
ORDER BY created_ns DESC, command_id
LIMIT $limit OFFSET $skip;
