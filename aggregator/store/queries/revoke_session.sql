UPDATE store.sessions SET revoked_ns = $now_ns
WHERE session_id = $session_id AND revoked_ns IS NULL;
