INSERT INTO store.api_tokens (
  id, organization, user_id, name, kind, role, token_hash, created_ns, expires_ns
)
SELECT
  nextval('store.api_token_ids'), $organization, $user_id, $name, $kind, $role, $token_hash,
  $now_ns, $expires_ns
WHERE (
  SELECT count(*) FROM store.api_tokens
  WHERE organization = $organization AND user_id = $user_id AND expires_ns > $now_ns
) < $most
RETURNING id;
