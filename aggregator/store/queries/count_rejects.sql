SELECT count(*)
FROM store.rejects
WHERE /* which: rejects */;
