UPDATE store.users SET password_hash = $password_hash
WHERE organization = $organization AND id = $user_id
RETURNING id;
