INSERT INTO store.enrolments (
  id, organization, device_id, name, replaces, code_hash, created_by, created_ns, expires_ns
)
VALUES (
  nextval('store.enrolment_ids'), $organization, $device_id, $name, $replaces, $code_hash,
  $created_by, $now_ns, $expires_ns
)
RETURNING id;
