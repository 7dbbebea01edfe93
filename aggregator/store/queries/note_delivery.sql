UPDATE store.channels SET
  sent = sent + ($state = 'sent')::BIGINT,
  failed = failed + ($state = 'failed')::BIGINT,
  failures = $failures,
  next_try_ns = $next_try_ns,
  last_sent_ns = if($state = 'sent', $now_ns, last_sent_ns),
  last_error = $error
WHERE organization = $organization AND id = $channel_id;
