SELECT count(*)
FROM store.audit
WHERE /* which: audit */;
