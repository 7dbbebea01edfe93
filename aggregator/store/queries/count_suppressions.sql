SELECT count(*)
FROM store.suppressions
WHERE organization = $organization AND (expires_ns > $now_ns OR NOT $active_only::BOOLEAN);
