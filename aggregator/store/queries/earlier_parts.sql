-- Files of days that are in the archive alone.
SELECT p.view, p.organization, p.day, p.after, p.upto, p.rows, p.file_bytes
FROM store.archive_parts AS p
WHERE p.organization = $organization AND p.view = $view AND p.day >= $first_day
  AND p.day < (
    SELECT max(l.day)
    FROM store.archive_left AS l
    WHERE l.view = $view AND (l.organization = $organization OR l.organization = '')
  )
ORDER BY p.day, p.after;
