-- Those that hold rows beyond a position: another part holds these now, or nothing any more.
DELETE FROM store.archive_parts
WHERE view = $view AND organization = $organization AND day = $day AND after >= $after;
