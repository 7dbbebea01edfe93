COPY (
  SELECT * EXCLUDE (position)
  FROM query_table($source)
  WHERE organization = $organization AND position > $after AND position <= $upto
    AND strftime(received_at, '%Y-%m-%d') = $day
) TO $file (FORMAT parquet, COMPRESSION zstd);
