UPDATE store.devices SET vouched = FALSE, last_seen_ns = $now_ns::BIGINT
WHERE organization = $organization
  AND vouched
  AND list_contains($device_ids::JSON::VARCHAR[], device_id);
