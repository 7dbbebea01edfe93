MERGE INTO store.removed_devices AS known
USING (SELECT $organization::VARCHAR AS organization, $device_id::VARCHAR AS device_id) AS given
ON known.organization = given.organization AND known.device_id = given.device_id
WHEN MATCHED THEN UPDATE SET removed_ns = $now_ns
WHEN NOT MATCHED THEN INSERT (organization, device_id, removed_ns)
VALUES (given.organization, given.device_id, $now_ns);
