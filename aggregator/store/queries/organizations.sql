SELECT organization, name, created_ns
FROM store.organizations
WHERE $organization::VARCHAR IS NULL OR organization = $organization::VARCHAR
ORDER BY organization
LIMIT $limit OFFSET $skip;
