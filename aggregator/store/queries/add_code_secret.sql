INSERT INTO store.code_secrets (organization, user_id, salt, created_ns, last_step)
VALUES ($organization, $user_id, $salt, $now_ns, 0);
