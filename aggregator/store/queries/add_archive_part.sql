INSERT INTO store.archive_parts
  (view, organization, day, after, upto, rows, file_bytes, written_ns)
VALUES ($view, $organization, $day, $after, $upto, $rows, $file_bytes, $now_ns);
