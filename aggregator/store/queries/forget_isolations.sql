DELETE FROM store.isolations WHERE expires_ns < $before_ns AND received_ns < $before_ns;
