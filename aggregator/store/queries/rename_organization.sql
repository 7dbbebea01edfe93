UPDATE store.organizations SET name = $name WHERE organization = $organization
RETURNING organization;
