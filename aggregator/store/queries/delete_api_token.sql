DELETE FROM store.api_tokens
WHERE organization = $organization AND user_id = $user_id AND id = $token_id
RETURNING id;
