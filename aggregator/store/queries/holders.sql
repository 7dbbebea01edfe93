SELECT
  u.id, u.organization, u.username, u.email, u.full_name, u.role, u.is_active, u.created_ns,
  u.last_login_ns, s.session_id, s.expires_ns
FROM store.sessions AS s
JOIN store.users AS u ON u.id = s.user_id
WHERE list_contains($session_ids::JSON::VARCHAR[], s.session_id) AND s.revoked_ns IS NULL
  AND s.expires_ns > $now_ns AND u.is_active;
