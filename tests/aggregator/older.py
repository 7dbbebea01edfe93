"""A database as an earlier version of the program left it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from aggregator.store.database import FILE_NAME
from aggregator.store.migrating import migrations


@contextmanager
def older(folder: Path, schema: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """Make the file with the schema of that number, and open it for what was kept in it."""
    with duckdb.connect(str(folder / FILE_NAME)) as stored:
        stored.execute(
            "CREATE TABLE main.schema_migrations"
            " (number INTEGER, name VARCHAR, sha256 VARCHAR, applied_ns BIGINT)"
        )
        for step in migrations():
            if step.number <= schema:
                stored.execute(step.text)
                done = [step.number, step.name]
                stored.execute("INSERT INTO schema_migrations VALUES (?, ?, '', 0)", done)
        yield stored
