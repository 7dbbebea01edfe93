-- A code ends with the right of who made it.
SELECT
  e.id, e.organization, e.device_id, e.name, e.replaces, e.created_by, e.created_ns, e.expires_ns
FROM store.enrolments AS e
JOIN store.users AS u ON u.id = e.created_by AND u.organization = e.organization
WHERE e.code_hash = $code_hash AND e.expires_ns > $now_ns AND u.is_active
  AND (u.role = 'admin' OR (u.role = 'operator' AND NOT e.replaces));
