DELETE FROM store.code_secrets WHERE organization = $organization AND user_id = $user_id;
