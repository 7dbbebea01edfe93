SELECT id, organization, device_id, name, replaces, created_by, created_ns, expires_ns
FROM store.enrolments
WHERE organization = $organization AND expires_ns > $now_ns
ORDER BY id DESC
LIMIT $limit OFFSET $skip;
