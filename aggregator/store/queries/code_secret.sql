SELECT
  s.salt, s.confirmed_ns, s.last_step,
  (
    SELECT coalesce(list(r.code_hash), []) FROM store.recovery_codes AS r
    WHERE r.organization = $organization AND r.user_id = $user_id AND r.used_ns IS NULL
  ) AS recovery_hashes
FROM store.code_secrets AS s
WHERE s.organization = $organization AND s.user_id = $user_id;
