SELECT count(*) FROM store.models WHERE organization = $organization;
