DELETE FROM store.notifications
WHERE state <> 'queued'
  AND created_ns < if(state = 'sent', $sent_before_ns::BIGINT, $others_before_ns::BIGINT);
