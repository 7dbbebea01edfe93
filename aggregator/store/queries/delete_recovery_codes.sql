DELETE FROM store.recovery_codes WHERE organization = $organization AND user_id = $user_id;
