SELECT t.session_id, s.user_id, s.expires_ns, t.used_ns, s.revoked_ns
FROM store.refresh_tokens AS t
JOIN store.sessions AS s ON s.session_id = t.session_id
WHERE t.token_hash = $token_hash;
