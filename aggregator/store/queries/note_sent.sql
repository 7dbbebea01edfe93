UPDATE store.commands SET
  state = CASE WHEN rank = 0 THEN 'sent' ELSE state END,
  rank = greatest(rank, 1),
  sends = sends + 1,
  sent_ns = $now_ns
WHERE organization = $organization AND device_id = $device_id AND command_id = $command_id;
