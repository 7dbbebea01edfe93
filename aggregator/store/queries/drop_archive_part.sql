DELETE FROM store.archive_parts
WHERE view = $view AND organization = $organization AND day = $day
  AND after = $after AND upto = $upto;
