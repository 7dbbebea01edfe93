DELETE FROM store.refresh_tokens
WHERE session_id NOT IN (SELECT session_id FROM store.sessions);
