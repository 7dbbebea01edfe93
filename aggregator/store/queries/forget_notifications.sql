-- Of an alert that a channel was told to be over it stays known what it was told since, or it would be told anew.
DELETE FROM store.notifications AS n
WHERE n.state <> 'queued' AND n.created_ns < $others_before_ns::BIGINT
  AND (n.created_ns < $sent_before_ns::BIGINT OR n.state <> 'sent' AND NOT EXISTS (
    SELECT 1 FROM store.notifications AS told
    WHERE told.organization = n.organization AND told.channel_id = n.channel_id
      AND told.alert_number = n.alert_number AND told.event = 'recovered'
  ));
