SELECT organization, device_id
FROM store.devices
WHERE presence IS DISTINCT FROM store.presence_of(
  online, vouched, last_seen_ns, $late_ns::BIGINT, $stale_ns::BIGINT
);
