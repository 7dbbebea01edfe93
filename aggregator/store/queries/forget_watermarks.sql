DELETE FROM store.watermarks WHERE updated_ns < $before_ns::BIGINT;
