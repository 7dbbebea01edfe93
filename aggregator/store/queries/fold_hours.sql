MERGE INTO store.hour_counts AS known
USING (
  SELECT
    counted, start_ns // 3600000000000 * 3600000000000 AS start_ns, organization, device_id, class, severity, status,
    suppressed, least(sum(count), 9223372036854775807)::BIGINT AS count
  FROM store.fresh_counts
  GROUP BY ALL
) AS told
/* which: folded */;
