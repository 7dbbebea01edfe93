SELECT count(*) FROM store.channels WHERE organization = $organization;
