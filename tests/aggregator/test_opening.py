"""Opening the database: what a crash, a bad disk or an older version has left is not the end."""

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from aggregator.errors import InUseError
from aggregator.store.database import FILE_NAME, Database
from aggregator.store.migrating import _apply, migrations
from aggregator.store.users import NewUser, add_user, count_users, user_by_name

A_VALUE = {
    "BIGINT": 1,
    "INTEGER": 1,
    "DOUBLE": 1,
    "FLOAT": 1,
    "BOOLEAN": "false",
    "DATE": "2026-01-01",
}
USER = NewUser(organization="default", username="ada", password_hash="-", role="viewer")
WRITE_AND_DIE = """
import asyncio, os, sys
from pathlib import Path
from aggregator.store.database import Database
from aggregator.store.users import NewUser, add_user
async def main():
    async with Database(Path(sys.argv[1])) as database:
        for number in range(40):
            user = NewUser(organization="default", username=f"user-{number}", password_hash="-", role="viewer")
            await add_user(database, user, 1)
        os._exit(9)
asyncio.run(main())
"""


def found(folder: Path, pattern: str) -> list[Path]:
    return list(folder.glob(pattern))


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """A folder whose process was killed: the users are in the write-ahead log alone."""
    code = subprocess.run(
        [sys.executable, "-c", WRITE_AND_DIE, str(tmp_path)], timeout=30, check=False
    ).returncode
    assert code == 9
    return tmp_path


async def test_what_was_written_before_a_crash_is_there(crashed: Path):
    async with Database(crashed) as database:
        assert await count_users(database) == 40


@pytest.mark.parametrize(("least", "emptied"), [(1, True), (10**6, False)])
async def test_a_long_log_that_a_crash_has_left_is_written_out(
    crashed: Path, monkeypatch: pytest.MonkeyPatch, *, least: int, emptied: bool
):
    monkeypatch.setattr("aggregator.store.database.LONG_LOG_BYTES", least)
    log = crashed / f"{FILE_NAME}.wal"
    async with Database(crashed) as database:
        size = log.stat().st_size
        assert 1000 < size < 10**6
        await database.empty_log()
        assert (not log.exists() or log.stat().st_size == 0) == emptied
        assert await count_users(database) == 40
        assert await add_user(database, USER, 1) is not None
        await database.empty_log()
    async with Database(crashed) as database:
        assert await count_users(database) == 41


async def test_a_write_ahead_log_that_cannot_be_read_is_set_aside_and_told(
    crashed: Path, caplog: pytest.LogCaptureFixture
):
    log = crashed / f"{FILE_NAME}.wal"
    content = bytearray(log.read_bytes())
    content[-40:] = b"\xff" * 40
    log.write_bytes(content)
    async with Database(crashed) as database:
        assert await add_user(database, USER, 1) is not None
        assert database.logs_set_aside() == 1
    aside = found(crashed, f"{FILE_NAME}.wal.unreadable-*")
    assert [file.read_bytes() for file in aside] == [bytes(content)]
    (record,) = [item for item in caplog.records if item.levelno == logging.ERROR]
    assert record.message == "write_ahead_log_set_aside"
    assert record.__dict__["file"] == str(aside[0])


async def test_a_second_process_is_told_that_the_database_is_in_use(tmp_path: Path):
    async with Database(tmp_path):
        program = (
            "import asyncio, sys, pathlib; from aggregator.store.database import Database\n"
            "asyncio.run(Database(pathlib.Path(sys.argv[1])).__aenter__())"
        )
        second = [sys.executable, "-c", program, str(tmp_path)]
        ended = subprocess.run(second, capture_output=True, text=True, timeout=30, check=False)  # noqa: ASYNC221
    assert f"{InUseError.__name__}: {tmp_path / FILE_NAME}: another process" in ended.stderr


async def test_an_older_database_is_copied_before_it_is_changed(tmp_path: Path):
    older = tmp_path / "older"
    async with Database(older) as database:
        await add_user(database, USER, 1)
    undone = next(step for step in migrations() if step.number == 26)  # adds what is there
    with duckdb.connect(str(older / FILE_NAME)) as stored:
        stored.execute("DELETE FROM schema_migrations WHERE number >= ?", [undone.number])
        stored.execute("CREATE TABLE store.marked_by_this_test (a INTEGER)")
    (older / "edgewarden.before-0001.duckdb").touch()
    before = shutil.copytree(older, tmp_path / "before")
    with pytest.raises(Exception, match="already exists"):
        await Database(older).__aenter__()
    copies = found(older, "edgewarden.before-*")
    assert [copy.name for copy in copies] == [f"edgewarden.before-{undone.number:04}.duckdb"]
    assert copies[0].stat().st_mode & 0o077 == 0
    shutil.copyfile(copies[0], before / FILE_NAME)
    with duckdb.connect(str(before / FILE_NAME)) as stored:
        assert stored.sql("SELECT username FROM store.users").fetchall() == [("ada",)]
        assert stored.sql("FROM store.marked_by_this_test").fetchall() == []


async def test_a_new_database_is_not_copied(tmp_path: Path):
    async with Database(tmp_path) as database:
        assert await user_by_name(database, "ada") is None
    assert not found(tmp_path, "*.before-*")


def filled(stored: duckdb.DuckDBPyConnection) -> None:
    """Put a row into each table that is empty."""
    tables = stored.execute(
        "SELECT table_name, list(column_name ORDER BY column_index), list(data_type ORDER BY column_index)"
        " FROM duckdb_columns() WHERE schema_name = 'store' AND table_name IN"
        " (SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store') GROUP BY table_name"
    ).fetchall()
    for name, columns, types in tables:
        if stored.table(f"store.{name}").limit(1).fetchall():
            continue
        values = [f"CAST('{A_VALUE.get(kind, '[]')}' AS {kind})" for kind in types]
        stored.execute(
            f"INSERT INTO store.{name} ({', '.join(columns)}) SELECT {', '.join(values)}"
        )


def test_every_step_of_the_schema_takes_tables_that_are_not_empty(tmp_path: Path):
    with duckdb.connect(str(tmp_path / FILE_NAME)) as stored:
        stored.execute(
            "CREATE TABLE main.schema_migrations"
            " (number INTEGER, name VARCHAR, sha256 VARCHAR, applied_ns BIGINT)"
        )
        for step in migrations():
            _apply(stored, step)
            filled(stored)
