SELECT count(*)
FROM store.packets
WHERE /* which: packets */;
