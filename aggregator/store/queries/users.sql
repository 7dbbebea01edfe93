SELECT
  id, organization, username, email, full_name, role, is_active, created_ns, last_login_ns
FROM store.users
WHERE /* which: users */
ORDER BY lower(username)
LIMIT $limit OFFSET $skip;
