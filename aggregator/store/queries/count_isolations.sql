SELECT count(*)
FROM store.isolations
WHERE organization = $organization
  AND (NOT $active_only::BOOLEAN
    OR (state IN ('applied', 'verified') AND expires_ns > $now_ns::BIGINT));
