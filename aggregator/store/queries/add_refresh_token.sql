INSERT INTO store.refresh_tokens (token_hash, session_id, issued_ns)
VALUES ($token_hash, $session_id, $now_ns);
