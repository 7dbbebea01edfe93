"""The database: opened by one, migrated, written in whole transactions."""

import asyncio
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

import duckdb
import msgspec
import pytest

from aggregator.errors import RefusedError, StoreError
from aggregator.store.database import FILE_NAME, READERS, Database, Statement, seek_no_pandas
from aggregator.store.devices import Page
from aggregator.store.isolations import save_isolations
from aggregator.store.migrating import migrations
from aggregator.store.rejects import KEPT_BYTES, Reject, save_rejects
from aggregator.store.reported import Reported
from aggregator.store.sessions import (
    MAX_OF_A_USER,
    NewSession,
    find_token,
    open_session,
    revoke_session,
    sessions_of,
)
from aggregator.store.texts import sql
from aggregator.store.users import NewUser, add_user, count_users, user_by_name
from tests.aggregator.messages import BOOT, isolation

USER = NewUser(organization="default", username="ada", password_hash="-", role="viewer")


class Number(msgspec.Struct, frozen=True):
    number: int


async def test_closing_ends_what_is_still_being_read(tmp_path: Path):
    database, begun = Database(tmp_path), asyncio.Event()
    loop = asyncio.get_running_loop()

    def read_for_minutes() -> None:
        cursor = database._cursor()
        loop.call_soon_threadsafe(begun.set)
        cursor.execute("SELECT count(*) FROM range(200_000_000_000) WHERE hash(range) = 1")

    async def read() -> None:
        with pytest.raises(StoreError, match="Interrupted"):
            await database._on(database._readers, read_for_minutes)

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks, database:
        tasks.create_task(read())
        await begun.wait()


async def test_a_read_lets_go_of_its_thread_when_whoever_asked_is_gone(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    minutes = "SELECT count(*) FROM range(200_000_000_000) WHERE hash(range) = 1"
    monkeypatch.setattr(
        "aggregator.store.database.sql", {"minutes": minutes, "one": "SELECT 1"}.get
    )
    async with asyncio.timeout(60):
        for _ in range(READERS):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await database.read("minutes", {}, Number)
        assert await database.read("one", {}, Number) == [Number(1)]


async def test_every_step_of_the_schema_is_applied_once_and_written_down(tmp_path: Path):
    for _ in range(2):
        async with Database(tmp_path):
            pass
    with duckdb.connect(str(tmp_path / FILE_NAME), read_only=True) as stored:
        rows = stored.sql("SELECT number, name FROM schema_migrations").fetchall()
    assert rows == [(step.number, step.name) for step in migrations()]


async def test_dry_runs_that_an_older_version_called_verified_are_called_so_no_more(
    tmp_path: Path,
):
    nft = isolation(1)
    dry = msgspec.structs.replace(isolation(2), enforcement="dry_run")
    told = [Reported("default", "pi", BOOT, 1, each) for each in (nft, dry)]
    async with Database(tmp_path) as database:
        await database.write(save_isolations(told))
    with duckdb.connect(str(tmp_path / FILE_NAME)) as stored:
        stored.execute("UPDATE store.isolations SET verified = TRUE")
        stored.execute("DELETE FROM schema_migrations WHERE number = 29")
    async with Database(tmp_path):
        pass
    with duckdb.connect(str(tmp_path / FILE_NAME), read_only=True) as stored:
        rows = stored.sql(
            "SELECT enforcement, verified FROM store.isolations ORDER BY 1"
        ).fetchall()
    assert rows == [("dry_run", False), ("nft", True)]


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path):
    async with Database(tmp_path) as database:
        await add_user(database, USER, 1)
    async with Database(tmp_path) as database:
        assert await user_by_name(database, "ADA") is not None


class Seekers(MetaPathFinder):
    """Notes what the import system is asked for."""

    def __init__(self) -> None:
        self.sought: list[str] = []

    def find_spec(self, fullname: str, *_: object) -> None:
        self.sought.append(fullname)


async def test_no_value_that_a_statement_is_given_sends_the_import_system_searching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seek_no_pandas()
    try:
        async with Database(tmp_path) as database:
            await add_user(database, USER, 1)
            seekers = Seekers()
            monkeypatch.setattr(sys, "meta_path", [seekers, *sys.meta_path])
            assert await user_by_name(database, "ada") is not None
    finally:
        sys.modules.pop("pandas", None)  # which the forests of other tests ask for
    assert seekers.sought == []


async def test_a_database_of_a_newer_version_is_refused_in_one_line(tmp_path: Path):
    async with Database(tmp_path):
        pass
    with duckdb.connect(str(tmp_path / FILE_NAME)) as stored:
        stored.execute("INSERT INTO schema_migrations VALUES (9999, 'later', '', 0)")
    with pytest.raises(StoreError, match=r"schema 9999.*newer version"):
        async with Database(tmp_path):
            pass


async def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path: Path):
    (tmp_path / FILE_NAME).write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError) as caught:
        async with Database(tmp_path):
            pass
    assert "\n" not in str(caught.value)
    assert FILE_NAME in str(caught.value)


async def test_a_directory_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file/data"):
        async with Database(tmp_path / "file" / "data"):
            pass


async def test_one_failing_statement_undoes_its_transaction_and_the_next_goes_on(
    database: Database,
):
    fields = msgspec.structs.asdict(USER) | {"now_ns": 1}
    nobody = fields | {"username": "bob", "role": None}
    with pytest.raises(RefusedError):
        await database.write(Statement("add_user", fields), Statement("add_user", nobody))
    assert await count_users(database) == 0
    assert await add_user(database, USER, 1) is not None
    assert await count_users(database) == 1


async def test_what_is_written_of_a_table_is_counted_whether_it_succeeds_or_not(
    database: Database,
):
    before = database.changes("users"), database.changes("sessions")
    await add_user(database, USER, 1)
    nobody = msgspec.structs.asdict(USER) | {"now_ns": 1, "username": "bob", "role": None}
    with pytest.raises(RefusedError):
        await database.write(Statement("add_user", nobody))
    await count_users(database)
    assert database.changes("users") == before[0] + 2
    assert database.changes("sessions") == before[1]


@pytest.mark.parametrize("number", [2**64, "many", None])
async def test_a_column_that_does_not_hold_what_it_should_is_refused(
    database: Database, number: object
):
    sender = {"organization": ["default"], "device_id": ["pi"], "boot": ["b"]}
    columns = sender | {"last_seq": [number], "lost": [0]}
    with pytest.raises(RefusedError):
        await database.write(Statement("save_watermarks", {"columns": columns, "now_ns": 1}))


async def test_a_name_or_address_is_taken_whatever_its_case(database: Database):
    first = msgspec.structs.replace(USER, email="ada@example.net")
    assert await add_user(database, first, 1) == 1
    for name in ("Ada", "ADA@example.net"):
        taken = msgspec.structs.replace(USER, username=name, email=None)
        assert await add_user(database, taken, 1) is None


async def test_rejects_are_kept_in_part_and_only_the_newest_of_each_organization(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("aggregator.store.rejects.KEPT_REJECTS", 10)
    for organization, count in (("quiet", 2), (None, 30), ("loud", 30)):
        for number in range(count):
            refused = Reject(organization, None, "t", "r", b"x" * 5000, number)
            await database.write(*save_rejects([refused]))
    with database._open_connection().cursor() as cursor:
        kept = cursor.execute(
            "SELECT organization, min(received_ns), max(received_ns), count(*),"
            " min(octet_length(payload)), max(payload_bytes) FROM store.rejects GROUP BY ALL"
        )
        assert set(kept.fetchall()) == {
            ("quiet", 0, 1, 2, KEPT_BYTES, 5000),
            (None, 20, 29, 10, KEPT_BYTES, 5000),
            ("loud", 20, 29, 10, KEPT_BYTES, 5000),
        }


def test_every_query_is_read_from_its_file():
    assert sql("count_users").startswith("SELECT")


async def test_a_user_has_so_many_sessions_at_most_and_the_oldest_make_room(database: Database):
    user_id = await add_user(database, USER, 1)
    assert user_id is not None
    for number in range(MAX_OF_A_USER + 3):
        new = NewSession(
            session_id=f"s-{number}", user_id=user_id, expires_ns=10**6, address="", program=""
        )
        await database.write(*open_session(new, f"t-{number}", number))
        if number == 1:
            await database.write(revoke_session("s-1", 5))
    page = Page(1000)
    kept = await sessions_of(database, "default", user_id, now_ns=10**4, page=page)
    assert [session.session_id for session in kept] == [
        f"s-{number}" for number in range(MAX_OF_A_USER + 2, 2, -1)
    ]
    assert await find_token(database, "t-0") is None
    assert await find_token(database, f"t-{MAX_OF_A_USER}") is not None
