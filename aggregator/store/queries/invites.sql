SELECT id, organization, role, email, created_by, created_ns, expires_ns
FROM store.invites
WHERE organization = $organization AND expires_ns > $now_ns
ORDER BY id DESC
LIMIT $limit OFFSET $skip;
