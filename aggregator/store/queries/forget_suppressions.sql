DELETE FROM store.suppressions WHERE expires_ns < $before_ns;
