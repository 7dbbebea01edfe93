SELECT count(*)
FROM store.users
WHERE /* which: users */;
