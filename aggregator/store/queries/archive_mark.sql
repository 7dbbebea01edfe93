SELECT coalesce(max(position), 0) AS position
FROM store.archive_marks
WHERE view = $view AND organization = $organization;
