INSERT INTO store.device_events (id, organization, device_id, event_type, cause, at_ns)
VALUES (
  nextval('store.device_event_ids'), $organization, $device_id, $event_type, $cause, $at_ns
)
RETURNING id, organization, device_id, event_type, cause, at_ns;
