DELETE FROM store.enrolments
WHERE code_hash = $code_hash AND expires_ns > $now_ns
RETURNING id;
