INSERT INTO store.sessions (session_id, user_id, created_ns, expires_ns, address, program)
VALUES ($session_id, $user_id, $now_ns, $expires_ns, $address, $program);
