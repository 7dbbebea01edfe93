SELECT count(*)
FROM store.readings
WHERE /* which: readings */;
