SELECT seq, at_ns, user_id, username, address, action, target, detail, before, after, hash
FROM store.audit
WHERE /* which: audit */
ORDER BY seq DESC
LIMIT $limit OFFSET $skip;
