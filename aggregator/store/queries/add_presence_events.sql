INSERT INTO store.device_events (id, organization, device_id, event_type, cause, at_ns)
SELECT
  nextval('store.device_event_ids'), organization, device_id,
  if(now_presence = 'offline', 'disconnected', 'connected'), 'noticed', $now_ns::BIGINT
FROM (
  SELECT
    organization, device_id, presence,
    store.presence_of(
      online, vouched, last_seen_ns, $late_ns::BIGINT, $stale_ns::BIGINT
    ) AS now_presence
  FROM store.devices
)
WHERE (presence = 'offline') <> (now_presence = 'offline')
RETURNING id, organization, device_id, event_type, cause, at_ns;
