SELECT count(*)
FROM store.alerts AS a
WHERE /* which: alerts */;
