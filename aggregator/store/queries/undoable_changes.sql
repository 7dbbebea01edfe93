SELECT
  c.alert_number, a.alert_id, c.status_before,
  CASE
    WHEN c.notes_before IS NOT DISTINCT FROM c.notes_after THEN NULL
    ELSE coalesce(c.notes_before, '')
  END AS notes_before,
  EXISTS (
    SELECT 1 FROM store.alert_changes AS later
    WHERE later.organization = c.organization AND later.alert_number = c.alert_number
      AND later.id > c.id
      AND (
        later.status_before <> later.status_after
        OR later.notes_before IS DISTINCT FROM later.notes_after
      )
  ) AS decided_again
FROM store.alert_changes AS c
JOIN store.alerts AS a ON a.id = c.alert_number
WHERE c.organization = $organization AND c.change_id = $change_id
ORDER BY c.id;
