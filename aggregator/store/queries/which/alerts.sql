a.organization = $organization
  AND ($alert_ids::JSON::VARCHAR[] IS NULL
    OR list_contains($alert_ids::JSON::VARCHAR[], a.alert_id))
  AND ($numbers::JSON::BIGINT[] IS NULL OR list_contains($numbers::JSON::BIGINT[], a.id))
  AND ($status::VARCHAR IS NULL OR a.status = $status::VARCHAR)
  AND ($severity::VARCHAR IS NULL OR a.severity = $severity::VARCHAR)
  AND ($attack_type::VARCHAR IS NULL OR lower(a.attack_type) = lower($attack_type::VARCHAR))
  AND ($src_ip::VARCHAR IS NULL OR a.src_ip = $src_ip::VARCHAR)
  AND ($dst_ip::VARCHAR IS NULL OR a.dst_ip = $dst_ip::VARCHAR)
  AND ($incident_id::BIGINT IS NULL OR a.incident_id = $incident_id::BIGINT)
  AND ($assignee::VARCHAR IS NULL OR a.assignee = $assignee::VARCHAR)
  AND ($host::VARCHAR IS NULL OR a.host = $host::VARCHAR)
  AND ($suppressed::BOOLEAN IS NULL
    OR (a.suppressed_by IS NOT NULL) = $suppressed::BOOLEAN)
  AND ($device_id::VARCHAR IS NULL OR a.device_id = $device_id::VARCHAR)
  AND ($since_ns::BIGINT IS NULL OR a.opened_ns >= $since_ns::BIGINT)
  AND ($until_ns::BIGINT IS NULL OR a.opened_ns < $until_ns::BIGINT)
  AND ($received_since_ns::BIGINT IS NULL OR a.received_ns >= $received_since_ns::BIGINT)
  AND ($text::VARCHAR IS NULL OR contains(
    lower(concat_ws(
      ' ', a.alert_id, a.attack_type, a.host, a.src_ip, a.dst_ip, a.device_id, a.notes
    )),
    lower($text::VARCHAR)
  ))
