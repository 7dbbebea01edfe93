SELECT count(*)
FROM store.sessions AS s
JOIN store.users AS u ON u.id = s.user_id
WHERE u.organization = $organization AND u.id = $user_id
  AND s.revoked_ns IS NULL AND s.expires_ns > $now_ns;
