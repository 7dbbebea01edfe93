DELETE FROM store.invites WHERE expires_ns < $now_ns;
