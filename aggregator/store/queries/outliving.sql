SELECT a.organization
/* which: outlived */
GROUP BY a.organization
ORDER BY min(a.id), a.organization
LIMIT $most;
