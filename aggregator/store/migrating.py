"""The schema, step by step: each is applied once, and a copy is made of what is changed."""

import hashlib
import logging
import re
import time
from importlib import resources
from pathlib import Path

import duckdb
import msgspec

from aggregator.errors import StoreError
from runtime.systemd import notify

log = logging.getLogger(__name__)

AN_HOUR_MORE = "EXTEND_TIMEOUT_USEC=3600000000"  # to systemd


class Migration(msgspec.Struct, frozen=True):
    """One numbered step of the schema."""

    number: int
    name: str
    text: str


def migrations() -> list[Migration]:
    """Return the steps of the schema, in order."""
    folder = resources.files("aggregator.store").joinpath("schema")
    names = sorted(
        file.name for file in folder.iterdir() if re.match(r"\d{4}_.*\.sql$", file.name)
    )
    return [Migration(int(name[:4]), name, folder.joinpath(name).read_text()) for name in names]


def migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Bring the schema to where this program expects it; a copy is made of what is changed.

    Raises:
        StoreError: The database was written by a newer program.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS main.schema_migrations"
        " (number INTEGER, name VARCHAR, sha256 VARCHAR, applied_ns BIGINT)"
    )
    done = {
        number
        for (number,) in connection.execute("SELECT number FROM schema_migrations").fetchall()
    }
    steps = migrations()
    unknown = done - {step.number for step in steps}
    if unknown:
        message = (
            f"the database has schema {max(unknown)}, this program knows {steps[-1].number}: "
            "it was written by a newer version"
        )
        raise StoreError(message)
    missing = [step for step in steps if step.number not in done]
    if done and missing:
        # A large database takes longer than a service may take to start.
        notify(f"STATUS=bringing the database to schema {steps[-1].number}\n{AN_HOUR_MORE}")
        _keep_copy(connection, path, missing[0].number)
    for step in missing:
        _apply(connection, step)
    if missing:
        # DuckDB cannot replay every ALTER TABLE: none may wait in the write-ahead log for a crash.
        connection.execute("CHECKPOINT")


def _keep_copy(connection: duckdb.DuckDBPyConnection, path: Path, number: int) -> None:
    connection.execute("CHECKPOINT")
    for older in path.parent.glob(f"{path.stem}.before-*"):
        older.unlink()
    copy = path.with_name(f"{path.stem}.before-{number:04}{path.suffix}")
    copy_to(connection, path.stem, copy)
    log.info("copied_before_migrating", extra={"file": str(copy)})


def _apply(connection: duckdb.DuckDBPyConnection, step: Migration) -> None:
    connection.begin()
    connection.execute(step.text)
    connection.execute(
        "INSERT INTO main.schema_migrations VALUES ($number, $name, $sha256, $now)",
        {
            "number": step.number,
            "name": step.name,
            "sha256": hashlib.sha256(step.text.encode()).hexdigest(),
            "now": time.time_ns(),
        },
    )
    connection.commit()


def copy_to(connection: duckdb.DuckDBPyConnection, name: str, target: Path) -> None:
    """Write a database as it is at this moment into a new file."""
    place = str(target.resolve()).replace("'", "''")
    connection.execute(f"ATTACH '{place}' AS copied")
    try:
        connection.execute(f"COPY FROM DATABASE {name} TO copied")
    finally:
        connection.execute("DETACH copied")
    target.chmod(0o600)
