SELECT count(*)
FROM store.commands
WHERE /* which: commands */;
