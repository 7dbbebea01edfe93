UPDATE store.users AS u SET
  email = coalesce($email::VARCHAR, u.email),
  full_name = coalesce($full_name::VARCHAR, u.full_name),
  role = coalesce($role::VARCHAR, u.role),
  is_active = coalesce($is_active::BOOLEAN, u.is_active)
WHERE u.organization = $organization AND u.id = $user_id
  -- somebody who can manage users stays
  AND (
    (coalesce($role::VARCHAR, u.role) = 'admin' AND coalesce($is_active::BOOLEAN, u.is_active))
    OR EXISTS (
      SELECT 1 FROM store.users AS other
      WHERE other.organization = $organization AND other.id <> $user_id
        AND other.role = 'admin' AND other.is_active
    )
  )
RETURNING u.id;
