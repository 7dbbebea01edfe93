UPDATE store.code_secrets SET
  last_step = $step, confirmed_ns = coalesce(confirmed_ns, $now_ns)
WHERE organization = $organization AND user_id = $user_id AND salt = $salt
  AND last_step < $step::BIGINT AND (confirmed_ns IS NOT NULL OR $confirms::BOOLEAN)
RETURNING user_id;
