SELECT
  s.session_id, s.created_ns, coalesce(s.last_used_ns, s.created_ns), s.expires_ns, s.address,
  s.program
FROM store.sessions AS s
JOIN store.users AS u ON u.id = s.user_id
WHERE u.organization = $organization AND u.id = $user_id
  AND s.revoked_ns IS NULL AND s.expires_ns > $now_ns
ORDER BY s.created_ns DESC
LIMIT $limit OFFSET $skip;
