SELECT organization FROM store.organizations;
