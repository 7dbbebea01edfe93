SELECT id, name, kind, role, created_ns, expires_ns, last_used_ns
FROM store.api_tokens
WHERE organization = $organization AND user_id = $user_id AND expires_ns > $now_ns
ORDER BY id DESC
LIMIT $limit OFFSET $skip;
