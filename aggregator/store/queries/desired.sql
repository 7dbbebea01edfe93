SELECT model_id, sha256, mode, username, set_ns, differs_ns
FROM store.desired
WHERE organization = $organization AND device_id = $device_id;
