SELECT count(*) FROM store.terminals WHERE organization = $organization;
