INSERT INTO store.invites (
  id, organization, role, email, token_hash, created_by, created_ns, expires_ns
)
VALUES (
  nextval('store.invite_ids'), $organization, $role, $email, $token_hash, $created_by, $now_ns,
  $expires_ns
)
RETURNING id;
