UPDATE store.refresh_tokens SET used_ns = $now_ns
WHERE token_hash = $token_hash AND used_ns IS NULL
RETURNING session_id;
