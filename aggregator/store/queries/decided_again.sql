-- The alerts of a change that were decided about after it, but not by taking it back just now.
SELECT a.alert_id, nullif(arg_max(later.username, later.id), ''), arg_max(later.at_ns, later.id)
FROM store.decisions AS c
JOIN store.alerts AS a ON a.organization = c.organization AND a.id = c.alert_number
JOIN store.decisions AS later
  ON later.organization = c.organization AND later.alert_number = c.alert_number
  AND later.id > c.id AND later.change_id <> $undo
WHERE c.organization = $organization AND c.change_id = $undone
GROUP BY a.id, a.alert_id
ORDER BY a.id;
