-- What of a device's messages is missing here: given up, still with the device by its last report, or refused
-- (of the rejects that are kept).
WITH newest AS (
  SELECT
    device_id, arg_max(queued, received_ns) AS queued,
    arg_max(if(clock_synchronized, sent_ns, received_ns), received_ns) AS reported_ns
  FROM store.health
  WHERE organization = $organization
  GROUP BY device_id
),
refused AS (
  SELECT device_id, count(*) AS messages
  FROM store.rejects
  WHERE organization = $organization
  GROUP BY device_id
)
SELECT
  d.device_id, d.lost_messages,
  coalesce((n.queued ->> 'spool')::BIGINT, 0)
    + coalesce((n.queued ->> 'spool_memory')::BIGINT, 0) AS queued,
  n.reported_ns, coalesce(r.messages, 0)
FROM store.devices AS d
LEFT JOIN newest AS n ON n.device_id = d.device_id
LEFT JOIN refused AS r ON r.device_id = d.device_id
WHERE d.organization = $organization
ORDER BY d.id
LIMIT $limit OFFSET $skip;
