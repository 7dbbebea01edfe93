INSERT INTO store.users (
  id, organization, username, email, full_name, password_hash, role, is_active, created_ns
)
SELECT
  nextval('store.user_ids'), $organization, $username, $email, $full_name, $password_hash, $role,
  TRUE, $now_ns
WHERE NOT EXISTS (
  SELECT 1 FROM store.users
  WHERE lower(username) IN (lower($username::VARCHAR), lower($email::VARCHAR))
    OR lower(email) IN (lower($username::VARCHAR), lower($email::VARCHAR))
)
RETURNING id;
