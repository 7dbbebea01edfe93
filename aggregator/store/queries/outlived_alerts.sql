SELECT a.id, a.opened_ns
/* which: outlived */
  AND a.organization = $organization
ORDER BY a.id
LIMIT $most;
