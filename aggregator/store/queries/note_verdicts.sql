INSERT INTO store.fresh_counts (
  counted, start_ns, organization, device_id, class, severity, status, suppressed, count
)
SELECT
  'verdicts', start_ns, ($organization::JSON::VARCHAR[])[batch],
  ($device_id::JSON::VARCHAR[])[batch], label, '', '', FALSE, count
FROM (
  SELECT batch, window_start_ns // 60000000000 * 60000000000 AS start_ns, label, count(*) AS count
  FROM given
  GROUP BY ALL
);
