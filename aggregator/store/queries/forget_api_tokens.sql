DELETE FROM store.api_tokens WHERE expires_ns < $now_ns;
