UPDATE store.sessions SET revoked_ns = $now_ns
WHERE revoked_ns IS NULL
  AND user_id IN (
    SELECT id FROM store.users WHERE organization = $organization AND id = $user_id
  );
