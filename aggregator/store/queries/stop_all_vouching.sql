UPDATE store.devices SET vouched = FALSE, last_seen_ns = $now_ns::BIGINT WHERE vouched;
