INSERT INTO store.notifications (
  notification_id, organization, channel_id, event, alert_number, attack_type, severity, state,
  tries, created_ns
)
SELECT
  unnest($notification_id::JSON::VARCHAR[]), unnest($organization::JSON::VARCHAR[]),
  unnest($channel_id::JSON::BIGINT[]), unnest($event::JSON::VARCHAR[]),
  unnest($alert_number::JSON::BIGINT[]), unnest($attack_type::JSON::VARCHAR[]),
  unnest($severity::JSON::VARCHAR[]), unnest($state::JSON::VARCHAR[]), 0, $now_ns;
