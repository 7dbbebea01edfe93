SELECT count(*)
FROM store.devices
WHERE organization = $organization
  AND store.presence_of(online, vouched, last_seen_ns, $late_ns::BIGINT, $stale_ns::BIGINT) <> 'offline';
