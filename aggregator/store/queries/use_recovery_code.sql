UPDATE store.recovery_codes SET used_ns = $now_ns
WHERE organization = $organization AND user_id = $user_id AND code_hash = $code_hash
  AND used_ns IS NULL
RETURNING user_id;
