INSERT INTO store.archive_marks (view, organization, position)
VALUES ($view, $organization, $position);
