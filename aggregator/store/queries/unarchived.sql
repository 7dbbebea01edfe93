-- What an organization has between two positions, by the day on which it reached us.
SELECT strftime(received_at, '%Y-%m-%d') AS day, max(position) AS upto, count(*) AS rows
FROM query_table($source)
WHERE organization = $organization AND position > $after AND position <= $upto
GROUP BY ALL
ORDER BY ALL;
