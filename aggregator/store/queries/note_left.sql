INSERT INTO store.archive_left (view, organization, day)
VALUES ($view, coalesce($organization::VARCHAR, ''), $day)
ON CONFLICT (view, organization) DO UPDATE SET day = greatest(archive_left.day, excluded.day);
