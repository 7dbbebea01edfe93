SELECT count(*)
FROM store.organizations
WHERE $organization::VARCHAR IS NULL OR organization = $organization::VARCHAR;
