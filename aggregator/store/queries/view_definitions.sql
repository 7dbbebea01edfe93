SELECT view_name, sql
FROM duckdb_views()
WHERE schema_name = 'main' AND NOT internal
ORDER BY view_name;
