SELECT device_id, logged_ns, level, component, event, fields, received_ns
FROM /* rows: logs */
WHERE /* which: logs */
ORDER BY logged_ns DESC, received_ns DESC, position DESC
LIMIT $limit OFFSET $skip;
