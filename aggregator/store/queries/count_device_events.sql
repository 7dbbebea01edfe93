SELECT count(*)
FROM store.device_events
WHERE /* which: device_events */;
