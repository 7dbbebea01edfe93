SELECT count(*) FROM store.invites WHERE organization = $organization AND expires_ns > $now_ns;
