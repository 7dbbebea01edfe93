MERGE INTO store.minute_counts AS known
USING (
  SELECT
    counted, start_ns, organization, device_id, class, severity, status,
    suppressed, least(sum(count), 9223372036854775807)::BIGINT AS count
  FROM store.fresh_counts
  GROUP BY ALL
) AS told
/* which: folded */;
