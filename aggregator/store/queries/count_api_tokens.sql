SELECT count(*)
FROM store.api_tokens
WHERE organization = $organization AND user_id = $user_id AND expires_ns > $now_ns;
