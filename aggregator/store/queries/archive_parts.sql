SELECT view, organization, day, after, upto, rows, file_bytes
FROM store.archive_parts
WHERE $organization::VARCHAR IS NULL OR organization = $organization::VARCHAR
ORDER BY day, view, organization, after;
