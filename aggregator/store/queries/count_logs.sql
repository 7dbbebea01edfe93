SELECT count(*)
FROM /* rows: logs */
WHERE /* which: logs */;
