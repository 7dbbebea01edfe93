-- What was withheld so far is told by one notification.
UPDATE store.notifications SET more_id = $notification_id
WHERE organization = $organization AND channel_id = $channel_id AND state = 'withheld'
  AND more_id IS NULL AND notification_id < $notification_id;
