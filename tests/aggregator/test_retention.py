"""What is kept how long, in the database and in the archive, and what a full disk does."""

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from aggregator.config import QueryConfig, StoreConfig
from aggregator.errors import InvalidError
from aggregator.ingest.reading import Arrival
from aggregator.sandbox.runner import Query, Sandbox
from aggregator.store import archive as archive_module
from aggregator.store.alerts import AlertFilter, find_alerts, save_alerts
from aggregator.store.archive import Archive
from aggregator.store.database import Database
from aggregator.store.evidence import EvidenceFiles
from aggregator.store.organizations import add_organization
from aggregator.store.reported import Reported
from aggregator.store.retention import Retention
from aggregator.store.room import Room
from aggregator.store.usage import Keeping, Plan, set_plan
from aggregator.store.verdicts import VerdictFilter, fault_of, find_verdicts, save_verdicts
from tests.aggregator.messages import BOOT, alert, envelope, health, now_ns, topic, verdicts
from tests.aggregator.taking import ingest, take
from tests.aggregator.test_query import rows

DAY_NS = 24 * 3600 * 1_000_000_000
NOW_NS = now_ns()


async def store(database: Database, *, days_ago: int, batches: int = 1) -> None:
    at_ns = NOW_NS - days_ago * DAY_NS
    for organization in ("default", "elsewhere"):
        for _ in range(batches):
            await database.write(
                *save_verdicts([Reported(organization, "pi", BOOT, at_ns, verdicts())])
            )


async def hot(database: Database) -> int:
    return len(await find_verdicts(database, "default", VerdictFilter(), limit=1000))


def retaining(
    database: Database, archive: Archive, config: StoreConfig, min_free_bytes: int = 0
) -> Retention:
    return Retention(database, archive, config, Room(database.path.parent, min_free_bytes))


async def opened(database: Database, **settings: int) -> tuple[Archive, Retention]:
    archive = Archive(database, max_age_s=0)
    await archive.open()
    config = msgspec.convert(settings, StoreConfig)
    return archive, retaining(database, archive, config)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:50])


def empty(file: Path) -> None:
    file.write_bytes(b"")


async def days(archive: Archive) -> Sequence[str]:
    return sorted({part.day for part in await archive.parts("default")})


async def test_earlier_days_leave_the_database_and_stay_in_the_views(database: Database):
    for days_ago in (0, 1, 2, 3):
        await store(database, days_ago=days_ago)
    archive, retention = await opened(database, hot_days=1)
    for _ in range(2):
        await retention.apply(NOW_NS)
        assert await hot(database) == 4
        sandbox = Sandbox(database, archive, QueryConfig())
        assert await rows(sandbox, "SELECT count(*) FROM verdicts") == [[8]]
    assert len(await days(archive)) == 4


async def test_rows_that_left_are_not_lost_when_their_day_gets_more(database: Database):
    await store(database, days_ago=5)
    archive, retention = await opened(database)
    await retention.apply(NOW_NS)
    assert await hot(database) == 0
    await store(database, days_ago=5, batches=3)  # our own clock stepped back
    await retention.apply(NOW_NS)
    sandbox = Sandbox(database, archive, QueryConfig())
    assert await rows(sandbox, "SELECT count(*) FROM verdicts") == [[8]]
    assert await hot(database) == 0


async def test_days_beyond_the_age_leave_the_archive(database: Database, tmp_path: Path):
    for days_ago in (1, 10, 11):
        await store(database, days_ago=days_ago)
    archive, retention = await opened(database, keep_days=10)
    await retention.apply(NOW_NS)
    assert len(await days(archive)) == 2
    assert len(files(tmp_path)) == 4  # two organizations


async def test_the_oldest_days_go_first_when_the_archive_is_too_large(
    database: Database, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    for days_ago in (0, 4, 5, 6):
        await store(database, days_ago=days_ago)
    archive, retention = await opened(database)
    await retention.apply(NOW_NS)
    kept = await days(archive)
    file_bytes = [part.file_bytes for part in await archive.parts()]
    small = StoreConfig(max_archive_bytes=sum(file_bytes) - 1)
    await retaining(database, archive, small).apply(NOW_NS)
    assert await days(archive) == kept[1:]
    (said,) = [item for item in caplog.records if item.message == "archive_days_dropped"]
    assert said.__dict__["days"] == [kept[0]]
    await retaining(database, archive, StoreConfig(max_archive_bytes=1)).apply(NOW_NS)
    assert await days(archive) == kept[-1:]  # what is in the database as well stays


async def test_alerts_are_kept_longer_than_anything_else(database: Database):
    for number, days_ago in enumerate((399, 401)):
        at_ns = NOW_NS - days_ago * DAY_NS
        message = msgspec.structs.replace(alert(number, opened_ns=at_ns), last_seen_ns=at_ns)
        await database.write(*save_alerts([Reported("default", "pi", BOOT, at_ns, message)]))
    archive, retention = await opened(database)
    await retention.apply(NOW_NS)
    sandbox = Sandbox(database, archive, QueryConfig())
    assert await rows(sandbox, "SELECT alert_id FROM alerts") == [[f"{0:032x}"]]


async def test_a_plan_bounds_how_long_one_organization_s_rows_are_kept(
    database: Database, tmp_path: Path
):
    for name, plan in (("default", Plan(keep_days=1, keep_alerts_days=30)), ("elsewhere", Plan())):
        await database.write(add_organization(name, name, 1), set_plan(name, plan))
    for days_ago in (0, 1, 2, 5):
        await store(database, days_ago=days_ago)
    for number, days_ago in enumerate((29, 31)):
        at_ns = NOW_NS - days_ago * DAY_NS
        message = msgspec.structs.replace(alert(number, opened_ns=at_ns), last_seen_ns=at_ns)
        for name in ("default", "elsewhere"):
            await database.write(*save_alerts([Reported(name, "pi", BOOT, at_ns, message)]))
    archive, retention = await opened(database, hot_days=2)
    await retention.apply(NOW_NS)
    kept = {
        name: {part.day for part in await archive.parts(name)} for name in ("default", "elsewhere")
    }
    assert (len(kept["default"]), len(kept["elsewhere"])) == (2, 4)
    assert min(kept["default"]) == sorted(kept["elsewhere"])[2]
    assert len(files(tmp_path)) == 6
    assert await hot(database) == 4  # of today and yesterday
    sandbox = Sandbox(database, archive, QueryConfig())
    assert await rows(sandbox, "SELECT count(*) FROM verdicts") == [[4]]
    assert await rows(sandbox, "SELECT alert_id FROM alerts") == [[f"{0:032x}"]]
    elsewhere = await find_verdicts(database, "elsewhere", VerdictFilter(), limit=1000)
    assert len(elsewhere) == 6
    alerts = await find_alerts(database, "elsewhere", AlertFilter(), limit=10)
    assert len(alerts) == 2


async def test_a_plan_never_keeps_longer_than_the_settings(database: Database):
    plan = Plan(keep_days=1000, keep_alerts_days=1000)
    await database.write(add_organization("default", "d", 1), set_plan("default", plan))
    for days_ago in (1, 11):
        await store(database, days_ago=days_ago)
    archive, retention = await opened(database, keep_days=10)
    await retention.apply(NOW_NS)
    assert len(await days(archive)) == 1


def test_frames_are_kept_as_long_as_the_plan_lets_alerts_be(tmp_path: Path):
    evidence = EvidenceFiles(None, StoreConfig(path=tmp_path))  # type: ignore[arg-type]
    for name in ("default", "elsewhere"):
        folder = tmp_path / "evidence" / name
        folder.mkdir(parents=True)
        (folder / "x.pcap").write_bytes(b"x")
        os.utime(folder / "x.pcap", ns=(NOW_NS - 31 * DAY_NS,) * 2)
    evidence.forget(NOW_NS, [Keeping("default", None, 30)])
    assert [path.parent.name for path in tmp_path.glob("evidence/*/*")] == ["elsewhere"]


WRITE_AND_RETAIN = """
import asyncio, itertools, sys, time
from pathlib import Path
from aggregator.config import StoreConfig
from aggregator.store.archive import Archive
from aggregator.store.database import Database
from aggregator.store.reported import Reported
from aggregator.store.retention import Retention
from aggregator.store.room import Room
from aggregator.store.verdicts import save_verdicts
from contract import codec
from contract.messages import VerdictBatch
DAY_NS = 24 * 3600 * 10**9
async def main(path, batch):
    async with Database(path) as database:
        archive = Archive(database)
        await archive.open()
        retention = Retention(database, archive, StoreConfig(), Room(path, 0))
        for number in itertools.count():
            at_ns = time.time_ns() - number % 5 * DAY_NS
            await database.write(*save_verdicts([Reported("default", "pi", "0" * 16, at_ns, batch)]))
            print("stored", flush=True)
            await retention.apply(time.time_ns())
batch = codec.decode_envelope(sys.stdin.buffer.read()).message
asyncio.run(main(Path(sys.argv[1]), batch))
"""


@pytest.mark.slow
async def test_a_kill_in_the_middle_neither_loses_a_row_nor_counts_one_twice(tmp_path: Path):
    told = 0
    for seconds in (1.3, 1.7, 2.2, 3.1):
        told += await asyncio.to_thread(stored_before_a_kill, tmp_path, seconds)
        async with Database(tmp_path) as database:
            archive = Archive(database)
            await archive.open()
            sandbox = Sandbox(database, archive, QueryConfig())
            ((count,),) = await rows(sandbox, "SELECT count(*) FROM verdicts")
        assert count in (2 * told, 2 * told + 2)  # what was stored may not have been said
        told = count // 2
    assert told > 0


def stored_before_a_kill(path: Path, seconds: float) -> int:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_AND_RETAIN, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(envelope(verdicts()))
    process.stdin.close()
    try:
        assert process.stdout.readline() == b"stored\n"
        time.sleep(seconds)
    finally:
        process.kill()
        process.wait()
    said = 1 + process.stdout.read().count(b"stored")
    process.stdout.close()
    return said


def files(folder: Path) -> list[Path]:
    return list((folder / "archive").rglob("*.parquet"))


async def test_many_small_writes_leave_few_files_and_every_row_once(database: Database):
    archive, _ = await opened(database)
    for _ in range(20):
        await store(database, days_ago=0)
        await archive.write("default")
    parts = await archive.parts("default")
    assert sum(part.rows for part in parts) == 40
    assert len(parts) <= 3
    assert len(files(database.path.parent)) == len(parts)


async def test_many_rows_are_written_in_pieces_and_each_of_them_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(archive_module, "MOST_ROWS", 10)
    archive, _ = await opened(database)
    for batches in (12, 1, 11):
        await store(database, days_ago=1, batches=batches)
        await store(database, days_ago=0, batches=batches)
        await archive.write("default")
    parts = await archive.parts("default")
    assert max(part.rows for part in parts) <= 10
    assert sum(part.rows for part in parts) == 2 * 2 * (12 + 1 + 11)
    assert sorted(files(database.path.parent)) == sorted(
        archive.path / part.file for part in parts
    )
    sandbox = Sandbox(database, archive, QueryConfig())
    assert await rows(sandbox, "SELECT count(*) FROM verdicts") == [[96]]


async def test_what_a_crash_left_half_done_is_thrown_away(database: Database):
    archive, _ = await opened(database)
    await store(database, days_ago=0)
    await archive.write("default")
    (part,) = await archive.parts("default")
    stray = archive.path / part.file.with_name("0-99.parquet")
    draft = archive.path / part.file.with_name("0-98.draft")
    for path in (stray, draft):
        path.write_bytes(b"half")
    await Archive(database).open()
    assert files(database.path.parent) == [archive.path / part.file]
    assert not draft.exists()


@pytest.mark.parametrize("damage", [Path.unlink, cut_off, empty])
async def test_a_file_that_is_gone_or_cut_off_is_told_and_does_not_stop_the_others(
    database: Database, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], object]
):
    await store(database, days_ago=3)
    await store(database, days_ago=4)
    archive, retention = await opened(database)
    await retention.apply(NOW_NS)
    gone, kept = await archive.parts("default")
    damage(archive.path / gone.file)
    again, _ = await opened(database)
    assert await again.parts("default") == [kept]
    assert caplog.messages.count("archive_file_missing") == 1
    assert caplog.records[0].__dict__["lost"] == 2
    sandbox = Sandbox(database, again, QueryConfig())
    assert await rows(sandbox, "SELECT count(*) FROM verdicts") == [[2]]


async def test_a_file_that_is_cut_off_is_made_again_of_what_is_still_stored(database: Database):
    archive, _ = await opened(database)
    await store(database, days_ago=0)
    await archive.write("default")
    (part,) = await archive.parts("default")
    cut_off(archive.path / part.file)
    sandbox = Sandbox(database, archive, QueryConfig())
    assert await rows(sandbox, "SELECT count(*) FROM verdicts") == [[2]]


async def test_a_file_that_is_damaged_within_is_no_matter_of_statements_that_do_not_read_it(
    database: Database,
):
    archive, _ = await opened(database)
    await store(database, days_ago=0)
    await archive.write("default")
    (part,) = await archive.parts("default")
    file = archive.path / part.file
    file.write_bytes(bytes(file.stat().st_size - 4) + b"PAR1")
    sandbox = Sandbox(database, archive, QueryConfig())
    assert await rows(sandbox, "SELECT count(*) FROM alerts") == [[0]]
    shown = {name for (name,) in await rows(sandbox, "SHOW TABLES")}
    assert "alerts" in shown
    assert not shown & {"verdicts", "hosts"}
    for view in ("verdicts", "hosts", "main.Verdicts"):
        with pytest.raises(InvalidError, match="verdicts"):
            await rows(sandbox, f"FROM {view}")


@pytest.mark.parametrize("restarted", [True, False])
async def test_a_file_that_is_gone_is_made_again_of_rows_that_are_still_stored(
    database: Database, caplog: pytest.LogCaptureFixture, *, restarted: bool
):
    await store(database, days_ago=0)
    archive, retention = await opened(database)
    await archive.write("default")
    (part,) = await archive.parts("default")
    (archive.path / part.file).unlink()
    if restarted:
        archive, retention = await opened(database)
    await retention.apply(NOW_NS + 10 * DAY_NS)
    assert await hot(database) == 0
    assert [item.__dict__["lost"] for item in caplog.records] == [0]
    sandbox = Sandbox(database, archive, QueryConfig())
    assert await rows(sandbox, "SELECT count(*) FROM verdicts") == [[2]]


async def test_an_archive_at_rest_gets_no_first_file_of_an_organization(database: Database):
    archive, _ = await opened(database)
    await store(database, days_ago=0)
    async with asyncio.TaskGroup() as tasks, archive.at_rest() as parts:
        tasks.create_task(archive.write("default"))
        await asyncio.sleep(0.3)
        assert await archive.parts() == parts == []
    assert len(await archive.parts()) == 1


async def test_queries_and_retention_at_once_neither_fail_nor_count_twice(database: Database):
    archive, retention = await opened(database)
    sandbox = Sandbox(database, archive, QueryConfig())
    queries = [
        Query(organization="default", asker=name, sql="SELECT count(*) FROM verdicts")
        for name in ("ada", "bob")
    ]

    async def tidy() -> None:
        for _ in range(5):
            await store(database, days_ago=3)
            await retention.apply(NOW_NS)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tidy())
        answers = [tasks.create_task(sandbox.run(query)) for query in 3 * queries]
    counts = [msgspec.json.decode(answer.result().body)["rows"][0][0] for answer in answers]
    assert all(count in range(0, 11, 2) for count in counts)
    assert await rows(sandbox, "SELECT count(*) FROM verdicts") == [[10]]


async def test_a_full_disk_stops_receipts_until_there_is_room(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("aggregator.store.room.LOOK_EVERY_S", 0.0)
    caplog.set_level(logging.INFO)
    room = Room(database.path.parent, min_free_bytes=2**60)
    one = ingest(database, room)
    arrival = Arrival(topic(health()), envelope(health()), retained=False, received_ns=now_ns())
    for _ in range(2):
        assert await take(one, [arrival]) == {}
    assert one.counters.without_room == 2
    assert caplog.messages.count("disk_is_full") == 1
    room._min_free_bytes = 1
    assert [mark.last_seq for mark in (await take(one, [arrival])).values()] == [1]
    assert caplog.messages.count("disk_has_room_again") == 1


async def test_on_a_full_disk_the_archive_shrinks_and_does_not_grow(database: Database):
    await store(database, days_ago=20)
    archive, retention = await opened(database)
    await retention.apply(NOW_NS)
    await store(database, days_ago=4)
    full = retaining(database, archive, StoreConfig(keep_days=10), min_free_bytes=2**60)
    await full.apply(NOW_NS)
    assert await archive.parts() == []
    assert await hot(database) == 2
    await retention.apply(NOW_NS)
    assert len(await days(archive)) == 1


async def test_what_a_device_claims_of_time_and_packets_stops_neither_archive_nor_questions(
    database: Database,
):
    honest = verdicts()
    claimed = msgspec.structs.replace(
        honest,
        window_start_ns=[2**63 - 1] * len(honest.host),
        packets=[2**63 - 1] * len(honest.host),
    )
    assert fault_of(claimed) == "verdict windows end when no clock shows"
    for message in (honest, claimed):
        told = Reported("default", "pi", BOOT, NOW_NS - 5 * DAY_NS, message)
        await database.write(*save_verdicts([told]))
    archive, retention = await opened(database)
    await retention.apply(NOW_NS)
    sandbox = Sandbox(database, archive, QueryConfig())
    assert await rows(sandbox, "SELECT count(window_end) FROM verdicts") == [[4]]
    assert await rows(sandbox, "SELECT max(packets) FROM hosts") == [[str(2**63 - 1)]]


async def test_an_archive_of_another_database_is_set_aside_and_not_thrown_away(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    await store(database, days_ago=5)
    _, retention = await opened(database)
    await retention.apply(NOW_NS)
    written = {file.name for file in files(tmp_path)}
    folder = tmp_path / "another"
    folder.mkdir()
    (tmp_path / "archive").rename(folder / "archive")
    async with Database(folder) as another:
        await Archive(another, max_age_s=0).open()
    (aside,) = folder.glob("archive.set-aside-*")
    assert {file.name for file in aside.rglob("*.parquet")} == written
    assert (folder / "archive").is_dir()
    assert "archive_set_aside" in caplog.messages
