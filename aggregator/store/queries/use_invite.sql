DELETE FROM store.invites
WHERE token_hash = $token_hash AND expires_ns > $now_ns
RETURNING id;
