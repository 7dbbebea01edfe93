-- Files of days that are in the archive alone.
SELECT p.view, p.organization, p.day, p.after, p.upto, p.rows, p.file_bytes
FROM store.archive_parts AS p
JOIN (
  SELECT l.view, max(l.day) AS day
  FROM store.archive_left AS l
  WHERE l.organization = $organization OR l.organization = ''
  GROUP BY l.view
) AS gone ON gone.view = p.view AND p.day < gone.day
WHERE p.organization = $organization AND p.day >= $first_day
  AND p.view IN (SELECT unnest($views::JSON::VARCHAR[]))
ORDER BY p.day, p.after;
