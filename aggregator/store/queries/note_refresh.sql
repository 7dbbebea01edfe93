UPDATE store.sessions SET last_used_ns = $now_ns WHERE session_id = $session_id;
