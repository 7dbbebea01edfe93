SELECT count(*)
FROM store.verdicts
WHERE /* which: verdicts */;
