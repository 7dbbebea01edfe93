DELETE FROM store.enrolments WHERE expires_ns < $now_ns;
