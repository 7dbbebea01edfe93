SELECT attack_type, severity, count(*), min(created_ns)
FROM store.notifications
WHERE organization = $organization AND channel_id = $channel_id AND more_id = $notification_id
GROUP BY attack_type, severity
ORDER BY count(*) DESC, attack_type, severity;
