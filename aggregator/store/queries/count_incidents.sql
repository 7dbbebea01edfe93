SELECT count(*)
FROM store.incidents
WHERE /* which: incidents */;
