-- Up to where an organization has rows; 0: it has none.
SELECT coalesce(max(position), 0)
FROM query_table($source)
WHERE organization = $organization;
