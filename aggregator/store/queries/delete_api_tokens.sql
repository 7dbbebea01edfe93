DELETE FROM store.api_tokens WHERE organization = $organization AND user_id = $user_id;
