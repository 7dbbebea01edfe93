COPY (
  SELECT * FROM query_table($view) WHERE organization = $organization
) TO $file (FORMAT parquet, COMPRESSION zstd);
