SELECT device_id, topic, reason, payload, payload_bytes, received_ns
FROM store.rejects
WHERE /* which: rejects */
ORDER BY received_ns DESC, rowid DESC
LIMIT $limit OFFSET $skip;
