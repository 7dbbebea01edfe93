SELECT count(*) FROM store.enrolments WHERE organization = $organization AND expires_ns > $now_ns;
