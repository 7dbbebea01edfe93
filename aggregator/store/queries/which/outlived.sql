-- Hidden by what is not in force any more, and not over before its end. Of what was deleted the rest is shown.
FROM store.alerts AS a
LEFT JOIN store.suppressions AS s ON s.organization = a.organization AND s.id = a.suppressed_by
WHERE a.suppressed_by IS NOT NULL AND coalesce(s.expires_ns, 0) <= $now_ns::BIGINT
  AND (
    /* which: going_on */
    OR a.status NOT IN ('resolved', 'false_positive') AND a.last_seen_ns > s.expires_ns
  )
