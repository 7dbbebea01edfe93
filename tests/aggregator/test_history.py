"""What is asked of days that are in the archive alone, and what is kept of devices that are silent."""

from pathlib import Path

import msgspec
import pytest

from aggregator.config import StoreConfig
from aggregator.errors import InvalidError
from aggregator.store.analytics import find_trend, summarize
from aggregator.store.archive import Archive
from aggregator.store.database import Database, Statement
from aggregator.store.devices import NewDevice, add_device, delete_device
from aggregator.store.gaps import find_gaps
from aggregator.store.health import last_health, save_health
from aggregator.store.history import History, back_to
from aggregator.store.migrating import migrations
from aggregator.store.packets import PacketFilter, count_packets, find_packets, save_packets
from aggregator.store.reported import Reported
from aggregator.store.retention import Retention
from aggregator.store.room import Room
from aggregator.store.telemetry import (
    LogFilter,
    LogRow,
    ReadingFilter,
    count_logs,
    count_readings,
    find_logs,
    find_readings,
    latest_readings,
    reading_stats,
    save_logs,
    save_readings,
)
from aggregator.store.texts import growing, sql
from contract.messages import LogLine, LogLines, Reading, Readings
from tests.aggregator.messages import BOOT, health, now_ns, packet

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
NOW_NS = now_ns() // HOUR_NS * HOUR_NS
DAYS = (9, 4, 1, 0)  # two are in the archive alone: today and two days before are not


class Kept:
    """A few days of everything, and what forgets it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.archive = Archive(database, max_age_s=0)
        self.history = History(database, self.archive)
        room = Room(database.path.parent, 0)
        self._retention = Retention(database, self.archive, StoreConfig(), room)

    async def fill(self) -> None:
        await self.archive.open()
        for organization in ("default", "elsewhere"):
            for device_id in ("pi", "lamp"):
                await self.database.write(added(organization, device_id))
                for days in DAYS:
                    await self.tell(organization, device_id, NOW_NS - days * DAY_NS)

    async def tell(self, organization: str, device_id: str, at_ns: int) -> None:
        days = (NOW_NS - at_ns) // DAY_NS
        if device_id == "lamp":
            at_ns += 1_000_000
        values = [reading("temperature", days, at_ns), reading("humidity", 50.5, at_ns - HOUR_NS)]
        if days == DAYS[0]:
            values.append(reading("only once", 7, at_ns))
        line = LogLine(logged_ns=at_ns, level="error", component="x", event=f"{days} days ago")
        sample = msgspec.structs.replace(packet(), captured_ns=at_ns, src_port=days)
        told = msgspec.structs.replace(health(frames=days), sent_ns=at_ns)
        by = (organization, device_id, BOOT, at_ns)
        await self.database.write(
            save_readings(Reported(*by, Readings(readings=values))),
            save_logs(Reported(*by, LogLines(lines=[line]))),
            save_packets([Reported(*by, sample)]),
            save_health([Reported(*by, told)]),
        )

    async def age(self, days: int = 0) -> None:
        await self._retention.apply(NOW_NS + days * DAY_NS)

    async def everything(self, days: int) -> object:
        """Return what every list and count says of so many days."""
        since_ns = NOW_NS - days * DAY_NS - DAY_NS // 2
        values = ReadingFilter(device_id="pi", since_ns=since_ns)
        lines, samples = LogFilter(since_ns=since_ns), PacketFilter(since_ns=since_ns)
        read, page = self.history, {"limit": 100, "skip": 0}
        trend = {"since_ns": since_ns, "step_ns": HOUR_NS, "device_id": None, "sensor_type": None}
        packets = await find_packets(read, "default", samples, **page)
        return (
            await find_readings(read, "default", values, **page),
            await count_readings(read, "default", values),
            await reading_stats(read, "default", values, 10),
            await find_logs(read, "default", lines, **page),
            await count_logs(read, "default", lines),
            [msgspec.structs.replace(each, id=0) for each in packets],
            await count_packets(read, "default", samples),
            await find_trend(read, "default", "readings", **trend),  # type: ignore[arg-type]
            await summarize(read, "default", since_ns=since_ns, now_ns=NOW_NS),
            await latest_readings(self.database, "default", "pi", 10),
            await find_gaps(self.database, "default", limit=10),
            await last_health(self.database, "default", "pi"),
        )


def reading(sensor_type: str, value: float, at_ns: int) -> Reading:
    return Reading(sensor_type=sensor_type, value=value, unit="x", read_ns=at_ns)


def added(organization: str, device_id: str) -> Statement:
    device = NewDevice(
        device_id=device_id,
        name=device_id,
        type="edge_ml",
        ip_address=None,
        mac_address=None,
        location=None,
    )
    return add_device(organization, device, f"{organization} {device_id}", NOW_NS)


@pytest.fixture
def kept(database: Database) -> Kept:
    return Kept(database)


@pytest.mark.parametrize("days", [30, 4, 1])
async def test_what_is_asked_is_answered_the_same_before_and_after_days_leave_the_database(
    kept: Kept, days: int
):
    await kept.fill()
    before = await kept.everything(days)
    await kept.age()
    assert await kept.everything(days) == before
    assert await kept.history.begins("readings", "default") is not None
    assert await kept.history.begins("readings", "default", 0) is None


async def test_without_a_begin_only_the_database_is_asked_and_says_from_when_on(kept: Kept):
    await kept.fill()
    wanted = ReadingFilter(device_id="pi")
    assert await count_readings(kept.history, "default", wanted) == 2 * len(DAYS) + 1
    await kept.age()
    assert await count_readings(kept.history, "default", wanted) == 4
    begins = await kept.history.begins("readings", "default")
    assert begins is not None
    assert begins.timestamp() * 1e9 == NOW_NS // DAY_NS * DAY_NS - 2 * DAY_NS
    old = msgspec.structs.replace(wanted, until_ns=NOW_NS - 3 * DAY_NS)
    assert await count_readings(kept.history, "default", old) == 5
    assert back_to(None, 3) == 0
    assert back_to(2, 3) == 2


async def test_a_silent_device_keeps_its_last_values_and_what_waits_with_it(kept: Kept):
    await kept.fill()
    for days in (5, 40):
        await kept.age(days)
        values = await latest_readings(kept.database, "default", "pi", 10)
        assert [(row.sensor_type, row.value) for row in values] == [
            ("humidity", 50.5),
            ("only once", 7),
            ("temperature", 0),
        ]
        gaps = await find_gaps(kept.database, "default", limit=10)
        assert [(gap.device_id, gap.queued, gap.reported_ns) for gap in gaps] == [
            ("pi", 2, NOW_NS),
            ("lamp", 2, NOW_NS + 1_000_000),
        ]
        told = await last_health(kept.database, "default", "pi")
        assert told is not None
        assert told.frames == 0
    await kept.age(95)  # longer than the archive is kept
    assert not await latest_readings(kept.database, "default", "pi", 10)
    await kept.database.write(delete_device("default", "pi"))
    await kept.age(95)
    assert await last_health(kept.database, "default", "pi") is None
    assert await last_health(kept.database, "elsewhere", "pi") is not None


async def test_late_values_do_not_replace_newer_ones_and_names_are_bounded(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
):
    await kept.fill()
    await kept.age(5)
    late = Readings(readings=[reading("temperature", 99, NOW_NS - 8 * DAY_NS)])
    await kept.database.write(save_readings(Reported("default", "pi", BOOT, NOW_NS, late)))
    await kept.age(10)
    values = await latest_readings(kept.database, "default", "pi", 10)
    assert {row.sensor_type: row.value for row in values}["temperature"] == 0
    monkeypatch.setattr("aggregator.store.retention.MAX_SENSORS", 2)
    await kept.age(10)
    values = await latest_readings(kept.database, "default", "pi", 10)
    assert [row.sensor_type for row in values] == ["humidity", "temperature"]


async def test_a_file_that_is_gone_is_an_error_and_no_shorter_answer(kept: Kept):
    await kept.fill()
    await kept.age()
    for file in (kept.archive.path / "logs" / "organization=default").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(Exception, match="parquet"):
        await find_logs(kept.history, "default", LogFilter(since_ns=0), limit=10, skip=0)


async def test_who_looks_back_for_too_long_is_told_and_the_next_is_answered(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
):
    await kept.fill()
    await kept.age()
    with monkeypatch.context() as patched:
        patched.setattr("aggregator.store.history.LONGEST_S", 0.0)
        with pytest.raises(InvalidError, match="choose a later `since`"):
            await count_logs(kept.history, "default", LogFilter(since_ns=0))
    assert await count_logs(kept.history, "default", LogFilter(since_ns=0)) == 2 * len(DAYS)


async def test_a_day_that_leaves_while_somebody_reads_is_read_again(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
):
    await kept.fill()
    read = kept.database.read

    async def leave_first(query: str, *args: object, **more: object) -> object:
        if query == "logs":
            monkeypatch.setattr(kept.database, "read", read)
            await kept.age()
        return await read(query, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(kept.database, "read", leave_first)
    rows: list[LogRow] = await find_logs(
        kept.history, "default", LogFilter(since_ns=0), limit=100, skip=0
    )
    assert len(rows) == 2 * len(DAYS)


def test_every_table_whose_files_are_read_has_the_text_for_it():
    folder = Path(__file__).parents[2] / "aggregator" / "store" / "queries"
    texts = {path.stem for path in (folder / "earlier").glob("*.sql")}
    used = {view for path in folder.glob("*.sql") for view in growing(path.stem)}
    assert used == texts
    for path in folder.glob("*.sql"):
        assert sql(path.stem, growing(path.stem)).count("read_parquet") >= len(growing(path.stem))
    assert migrations()[-1].number >= 33


@pytest.mark.parametrize("aged", [False, True])
async def test_pages_of_what_is_of_one_moment_hold_each_row_once_the_last_told_first(
    kept: Kept, *, aged: bool
):
    await kept.archive.open()
    await kept.database.write(added("default", "pi"))
    at_ns = NOW_NS - 5 * DAY_NS
    by = ("default", "pi", BOOT, at_ns)
    for begin in range(0, 90, 30):
        numbers = range(begin, begin + 30)
        lines = [
            LogLine(logged_ns=at_ns, level="info", component="x", event=str(number))
            for number in numbers
        ]
        values = [reading("t", number, at_ns) for number in numbers]
        await kept.database.write(save_logs(Reported(*by, LogLines(lines=lines))))
        await kept.database.write(save_readings(Reported(*by, Readings(readings=values))))
    if aged:
        await kept.age()
    logs, readings = LogFilter(since_ns=0), ReadingFilter(device_id="pi", since_ns=0)
    told: list[int] = []
    read: list[float] = []
    for skip in range(0, 90, 7):
        page = {"limit": 7, "skip": skip}
        told += [int(row.event) for row in await find_logs(kept.history, "default", logs, **page)]
        found = await find_readings(kept.history, "default", readings, **page)
        read += [row.value for row in found]
    assert told == read == [*range(89, -1, -1)]
    (stats,) = await reading_stats(kept.history, "default", readings, 10)
    (latest,) = await latest_readings(kept.database, "default", "pi", 10)
    assert stats.last == latest.value == 89
