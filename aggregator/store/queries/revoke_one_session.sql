UPDATE store.sessions SET revoked_ns = $now_ns
WHERE revoked_ns IS NULL AND expires_ns > $now_ns AND session_id = $session_id
  AND user_id IN (
    SELECT id FROM store.users WHERE organization = $organization AND id = $user_id
  )
RETURNING session_id;
