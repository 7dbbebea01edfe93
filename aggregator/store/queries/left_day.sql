SELECT max(day)
FROM store.archive_left
WHERE view = $view AND (organization = $organization OR organization = '');
