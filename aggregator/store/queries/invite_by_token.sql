SELECT id, organization, role, email, created_by, created_ns, expires_ns
FROM store.invites
WHERE token_hash = $token_hash AND expires_ns > $now_ns;
