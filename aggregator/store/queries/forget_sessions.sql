DELETE FROM store.sessions WHERE expires_ns < $now_ns;
