SELECT DISTINCT organization FROM store.judges
UNION
SELECT DISTINCT organization FROM store.packets
UNION
SELECT DISTINCT organization FROM store.health
UNION
SELECT DISTINCT organization FROM store.logs
UNION
SELECT DISTINCT organization FROM store.readings
ORDER BY organization;
