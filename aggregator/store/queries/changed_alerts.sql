SELECT a.id, a.alert_id
FROM store.alert_changes AS c
JOIN store.alerts AS a ON a.organization = c.organization AND a.id = c.alert_number
WHERE c.organization = $organization AND c.change_id = $change_id
ORDER BY a.id;
