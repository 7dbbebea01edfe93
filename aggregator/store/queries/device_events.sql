SELECT id, organization, device_id, event_type, cause, at_ns
FROM store.device_events
WHERE /* which: device_events */
ORDER BY id DESC
LIMIT $limit OFFSET $skip;
