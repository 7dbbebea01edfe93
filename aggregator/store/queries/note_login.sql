UPDATE store.users SET last_login_ns = $now_ns WHERE id = $user_id;
