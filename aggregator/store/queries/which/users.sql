organization = $organization
  AND ($user_id::BIGINT IS NULL OR id = $user_id::BIGINT)
  AND ($role::VARCHAR IS NULL OR role = $role::VARCHAR)
  AND ($text::VARCHAR IS NULL
    OR contains(lower(concat_ws(' ', username, email, full_name)), lower($text::VARCHAR)))
