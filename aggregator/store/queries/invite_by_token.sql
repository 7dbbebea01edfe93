-- An invite ends with the right of who made it.
SELECT i.id, i.organization, i.role, i.email, i.created_by, i.created_ns, i.expires_ns
FROM store.invites AS i
JOIN store.users AS u ON u.id = i.created_by AND u.organization = i.organization
WHERE i.token_hash = $token_hash AND i.expires_ns > $now_ns AND u.is_active AND u.role = 'admin';
