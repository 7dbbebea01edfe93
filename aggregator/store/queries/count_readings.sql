SELECT count(*)
FROM /* rows: readings */
WHERE /* which: readings */;
