INSERT INTO store.recovery_codes (organization, user_id, code_hash)
SELECT $organization, $user_id, unnest($code_hashes::JSON::VARCHAR[]);
