UPDATE store.devices SET presence = store.presence_of(
  online, vouched, last_seen_ns, $late_ns::BIGINT, $stale_ns::BIGINT
)
WHERE presence IS DISTINCT FROM store.presence_of(
  online, vouched, last_seen_ns, $late_ns::BIGINT, $stale_ns::BIGINT
);
