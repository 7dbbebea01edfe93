SELECT
  id, organization, username, email, full_name, password_hash, role, is_active, created_ns,
  last_login_ns
FROM store.users
WHERE lower(username) = lower($name::VARCHAR) OR lower(email) = lower($name::VARCHAR)
ORDER BY id
LIMIT 1;
