SELECT count(*)
FROM store.logs
WHERE /* which: logs */;
