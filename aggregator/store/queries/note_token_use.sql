UPDATE store.api_tokens SET last_used_ns = $now_ns WHERE id = $token_id;
