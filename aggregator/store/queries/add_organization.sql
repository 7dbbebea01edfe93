INSERT INTO store.organizations (organization, name, created_ns)
SELECT $organization, $name, $now_ns
WHERE NOT EXISTS (SELECT 1 FROM store.organizations WHERE organization = $organization)
RETURNING organization;
