INSERT INTO store.suppressions (
  id, organization, device_id, attack_type, host, src_ip, dst_ip, reason, username, created_ns,
  expires_ns
)
SELECT
  nextval('store.suppression_ids'), $organization, $device_id, $attack_type, $host, $src_ip,
  $dst_ip, $reason, $username, $now_ns, $expires_ns
WHERE (
  SELECT count(*) FROM store.suppressions
  WHERE organization = $organization AND expires_ns > $now_ns
) < $most
RETURNING id;
