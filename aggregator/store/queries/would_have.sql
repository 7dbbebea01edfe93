-- What enforcing would have cut off, by class and group of hosts; the first row is all of it. Of what was
-- not done a detail says what else than the mode stood in the way: enforcing would have asked, or spared.
WITH undone AS (
  SELECT
    a.attack_type, i.host_group, a.status, i.detail = '' AS cuts,
    (i.expires_ns - i.isolated_ns) / 60e9 AS minutes
  FROM store.isolations AS i
  JOIN store.alerts AS a
    ON a.organization = i.organization AND a.device_id = i.device_id AND a.alert_id = i.alert_id
  WHERE i.organization = $organization AND i.received_ns >= $since_ns::BIGINT
    AND i.state IN ('simulated', 'suggested')
)
SELECT
  attack_type, host_group,
  count(*) FILTER (cuts),
  count(*) FILTER (cuts AND status = 'false_positive'),
  count(*) FILTER (cuts AND status = 'resolved'),
  coalesce(sum(minutes) FILTER (cuts), 0)::DOUBLE,
  coalesce(sum(minutes) FILTER (cuts AND status = 'false_positive'), 0)::DOUBLE,
  count(*) FILTER (NOT cuts)
FROM undone
GROUP BY GROUPING SETS ((attack_type, host_group), ())
ORDER BY attack_type IS NOT NULL, count(*) FILTER (cuts) DESC, attack_type, host_group
LIMIT 1000;
