UPDATE store.devices SET vouched = FALSE, last_seen_ns = $now_ns::BIGINT
WHERE vouched
  AND ($organization::VARCHAR IS NULL OR organization = $organization::VARCHAR)
  AND ($device_ids::JSON::VARCHAR[] IS NULL
    OR list_contains($device_ids::JSON::VARCHAR[], device_id));
