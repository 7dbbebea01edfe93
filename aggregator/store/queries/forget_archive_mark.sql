DELETE FROM store.archive_marks WHERE view = $view AND organization = $organization;
