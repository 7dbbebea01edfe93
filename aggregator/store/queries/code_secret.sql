SELECT
  s.salt, s.confirmed_ns,
  (
    SELECT count(*) FROM store.recovery_codes AS r
    WHERE r.organization = $organization AND r.user_id = $user_id AND r.used_ns IS NULL
  ) AS recovery_codes_left
FROM store.code_secrets AS s
WHERE s.organization = $organization AND s.user_id = $user_id;
