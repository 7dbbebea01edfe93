DELETE FROM store.refresh_tokens
WHERE session_id IN (SELECT session_id FROM store.sessions WHERE expires_ns < $now_ns);
