UPDATE store.notifications SET
  state = $state,
  tries = tries + 1,
  settled_ns = if($state = 'queued', NULL, $now_ns)
WHERE organization = $organization AND notification_id = $notification_id AND state = 'queued';
