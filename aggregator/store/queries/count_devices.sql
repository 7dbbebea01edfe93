SELECT count(*) FROM store.devices WHERE organization = $organization;
