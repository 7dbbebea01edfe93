INSERT INTO store.incidents (id, organization, device_id, host, first_ns, last_ns, status)
SELECT nextval('store.incident_ids'), organization, device_id, host, first_ns, last_ns, 'open'
FROM store.islands
WHERE incident_id IS NULL;
