SELECT
  t.id, t.kind, t.role, u.id, u.organization, u.username, u.email, u.full_name, u.role,
  u.is_active, u.created_ns, u.last_login_ns
FROM store.api_tokens AS t
JOIN store.users AS u ON u.id = t.user_id AND u.organization = t.organization
WHERE t.expires_ns > $now_ns AND u.is_active
  AND (t.token_hash = $token_hash::VARCHAR OR t.id = $token_id::BIGINT);
