DELETE FROM store.sessions
WHERE user_id = $user_id
  AND session_id NOT IN (
    SELECT session_id FROM store.sessions
    WHERE user_id = $user_id
    ORDER BY revoked_ns IS NULL DESC, created_ns DESC
    LIMIT $kept
  );
