SELECT count(*)
FROM /* rows: packets */
WHERE /* which: packets */;
