"""Everything that is kept, in DuckDB: one writer, many readers, one module per noun."""
