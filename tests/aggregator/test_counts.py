"""Counts by minute, hour and day are what a count over all rows gives, whatever has happened."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import duckdb
import msgspec
import pytest

from aggregator.config import StoreConfig
from aggregator.decisions import Decisions
from aggregator.ingest.reading import Arrival
from aggregator.live import LiveFeed
from aggregator.store.alert_changes import AlertChange, change_alerts, new_change_id, take_back
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.analytics import TrendRow, count_alerts_by_time, find_trend
from aggregator.store.archive import Archive
from aggregator.store.counts import count_since, fold, source_of
from aggregator.store.database import FILE_NAME, Database
from aggregator.store.devices import Added
from aggregator.store.history import History as RowsAndFiles
from aggregator.store.retention import Retention
from aggregator.store.room import Room
from aggregator.store.suppressions import Match, add_suppression, delete_suppression
from aggregator.uncovering import Uncovering
from contract.attacks import AttackType, Label
from contract.messages import AnyMessage
from tests.aggregator.messages import (
    MAC,
    SECOND_NS,
    alert,
    envelope,
    health,
    now_ns,
    topic,
    verdicts,
)
from tests.aggregator.people import ADA
from tests.aggregator.taking import arrival, ingest, take

DAY_NS, HOUR_NS, MINUTE_NS = 24 * 3600 * SECOND_NS, 3600 * SECOND_NS, 60 * SECOND_NS
NOW_NS = now_ns()
STEPS = 30
COLUMNS = "organization, device_id, class, severity, status, suppressed"
LEVELS = {"minute": MINUTE_NS, "hour": HOUR_NS, "day": DAY_NS}
KEPT_DAYS = {"minute": 3, "hour": 91, "day": 400}  # of what goes without its rows
KINDS: list[AttackType] = ["Scan", "MITM", "DOS"]
LABELS: list[Label] = ["benign", "Scan"]


class History:
    """Devices and people who do anything at any time, and what that comes to."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database = database
        self.random = random.Random(seed)  # noqa: S311
        self.ingest = ingest(database)
        self.verdicts: Counter[tuple[int, str, str, str]] = Counter()
        self.frames: dict[tuple[str, str, str], int] = {}
        self._seq: Counter[tuple[str, str, str]] = Counter()
        self._changes: list[str] = []
        self.hidden: list[int] = []
        self._sent: list[Arrival] = []

    async def go_on(self) -> None:
        chosen: Callable[[], Awaitable[None]] = self.random.choice(
            [self.tell] * 6
            + [self.decide] * 2
            + [self.undo, self.expire, self.hide, self.show, self.fold]
        )
        await chosen()

    async def tell(self) -> None:
        batch = [self._arrival() for _ in range(self.random.randrange(1, 8))]
        if self._sent and self.random.random() < 0.3:  # what was receipted comes once more
            batch.insert(0, self.random.choice(self._sent))
        self._sent += batch
        await take(self.ingest, batch)

    def _arrival(self) -> Arrival:
        random = self.random
        organization, device = (
            random.choice(["default", "elsewhere"]),
            f"edge-{random.randrange(2)}",
        )
        boot = f"{random.randrange(2):016x}"
        kind = random.choice([self._alert, self._verdicts, self._health])
        days_ago = random.choice([0, 0, 1, 30, 70, 380, 420 if kind == self._alert else 0])
        received_ns = NOW_NS - days_ago * DAY_NS - random.randrange(3 * HOUR_NS)
        happened_ns = received_ns - random.randrange(30 * DAY_NS)  # told late
        boot_of = (organization, device, boot)
        message = kind(boot_of, happened_ns)
        self._seq[boot_of] += 1
        payload = envelope(message, self._seq[boot_of], boot=boot)
        where = topic(message, device, organization)
        return Arrival(where, payload, retained=False, received_ns=received_ns)

    def _alert(self, _boot: tuple[str, str, str], happened_ns: int) -> AnyMessage:
        kind = self.random.choice(KINDS)
        opened = alert(self.random.randrange(60), attack_type=kind, opened_ns=happened_ns)
        return msgspec.structs.replace(opened, host=f"02:00:00:00:00:0{self.random.randrange(3)}")

    def _verdicts(self, boot: tuple[str, str, str], happened_ns: int) -> AnyMessage:
        labels = self.random.choices(LABELS, k=self.random.randrange(4))
        for label in labels:
            start_ns = happened_ns // SECOND_NS * SECOND_NS
            self.verdicts[start_ns, boot[0], boot[1], label] += 1
        return verdicts(tuple(labels), number=happened_ns // SECOND_NS)

    def _health(self, boot: tuple[str, str, str], _happened_ns: int) -> AnyMessage:
        frames = self.random.randrange(10_000)  # perhaps fewer than it told of before
        self.frames[boot] = max(frames, self.frames.get(boot, 0))
        return health(frames=frames)

    async def decide(self) -> None:
        rows = await find_alerts(self.database, "default", AlertFilter(), limit=100)
        if not rows:
            return
        numbers = [row.id for row in self.random.choices(rows, k=3)]
        status = self.random.choice(["active", "acknowledged", "resolved", "false_positive"])
        self._changes.append(new_change_id())
        expires_ns = None if status == "active" else self.random.choice([None, NOW_NS])
        change = AlertChange(status=status, expires_ns=expires_ns)
        await self.database.write(
            *change_alerts(ADA, self._changes[-1], sorted(set(numbers)), change, NOW_NS)
        )

    async def undo(self) -> None:
        if self._changes:
            undone = self.random.choice(self._changes)
            await self.database.write(*take_back(ADA, new_change_id(), undone, "r", NOW_NS))

    async def expire(self) -> None:
        await Decisions(self.database, LiveFeed()).expire(NOW_NS)

    async def hide(self) -> None:
        match = Match(attack_type=self.random.choice(KINDS))
        statement = add_suppression(
            "default", match, reason="r", username="ada", now_ns=NOW_NS, expires_ns=2 * NOW_NS
        )
        self.hidden.append((await self.database.change(Added, statement))[0].id)

    async def show(self) -> None:
        if self.hidden:
            await self.database.change(Added, *delete_suppression("default", self.hidden.pop(0)))
            await Uncovering(self.database, LiveFeed()).look(NOW_NS)

    async def fold(self) -> None:
        await self.database.write(*fold())

    async def age(self) -> None:
        archive = Archive(self.database, max_age_s=0)
        await archive.open()
        room = Room(self.database.path.parent, 0)
        await Retention(self.database, archive, StoreConfig(), room).apply(NOW_NS)


def found(database: Database, query: str) -> Counter[tuple[object, ...]]:
    """Return the last column of a query by the others."""
    with database._open_connection().cursor() as cursor:
        rows = cursor.execute(query).fetchall()
    counts: Counter[tuple[object, ...]] = Counter()
    for *key, count in rows:
        counts[tuple(key)] += count
    return Counter({key: count for key, count in counts.items() if count})


def alerts_by(database: Database, step_ns: int) -> Counter[tuple[object, ...]]:
    """Return how many alerts there are of each kind in each step of time, by their rows."""
    return found(
        database,
        f"""SELECT counted, start_ns // {step_ns} * {step_ns}, {COLUMNS}, count(*)
        FROM store.countable_alerts GROUP BY ALL""",  # noqa: S608
    )


def counted(database: Database, level: str, which: str) -> Counter[tuple[object, ...]]:
    """Return what the counts of a level say."""
    return found(
        database,
        f"SELECT counted, start_ns, {COLUMNS}, count FROM store.all_{level}s WHERE {which}",  # noqa: S608
    )


def assert_alerts_are_counted(database: Database) -> None:
    for level, step_ns in LEVELS.items():
        alerts = counted(database, level, "counted IN ('opened', 'arrived')")
        assert sum(alerts.values())
        assert alerts == alerts_by(database, step_ns)


def assert_kept_verdicts_are_counted(history: History) -> None:
    for level, step_ns in LEVELS.items():
        expected: Counter[tuple[object, ...]] = Counter()
        for (at_ns, organization, device, label), count in history.verdicts.items():
            start_ns = at_ns // step_ns * step_ns
            if start_ns >= NOW_NS - KEPT_DAYS[level] * DAY_NS:
                key = (start_ns, organization, device, label, "", "", False)
                expected[("verdicts", *key)] += count
        assert counted(history.database, level, "counted = 'verdicts'") == expected


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", range(2))
async def test_counts_equal_a_count_over_all_rows_after_any_history(database: Database, seed: int):
    history = History(database, seed)
    for step in range(STEPS):
        await history.go_on()
        if step == STEPS // 2:
            await history.age()
    await history.hide()
    for _ in range(5):
        await history.tell()
    while history.hidden:
        await history.show()
    await history.age()
    await history.tell()
    assert_alerts_are_counted(database)
    await history.fold()
    for _ in KINDS * 2:
        await history.hide()
    for _ in range(8):
        await history.tell()
    await history.fold()
    assert_alerts_are_counted(database)
    for organization in ("default", "elsewhere"):
        told = sum(most for boot, most in history.frames.items() if boot[0] == organization)
        assert (await count_since(database, organization, 0)).frames == told
    assert not found(database, "SELECT 1, 1 FROM store.fresh_counts")
    assert not found(database, "SELECT 1, 1 FROM store.minute_counts WHERE count = 0")
    await history.age()
    assert_kept_verdicts_are_counted(history)


async def test_an_alert_that_goes_on_while_it_is_hidden_is_counted_once(database: Database):
    history = History(database, 3)
    match = Match(host=MAC)
    statement = add_suppression(
        "default", match, reason="r", username="ada", now_ns=NOW_NS, expires_ns=2 * NOW_NS
    )
    await database.change(Added, statement)
    for boot, (device, number) in enumerate((("a", 1), ("a", 1), ("b", 1), ("a", 2), ("b", 1))):
        told = arrival(alert(number), device_id=device, boot=f"{boot:016x}")
        await take(history.ingest, [told])
    (hidden,) = (await count_since(database, "default", 0)).alerts
    assert (hidden.suppressed, hidden.count) == (True, 3)
    assert_alerts_are_counted(database)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("hours", [30, 24 * 60])
async def test_what_the_dashboard_reads_equals_a_count_over_all_rows(
    database: Database, hours: int
):
    history = History(database, 11)
    for _ in range(10):
        await history.tell()
        await history.decide()
    await history.hide()
    await history.tell()
    since_ns = (NOW_NS - hours * HOUR_NS) // MINUTE_NS * MINUTE_NS
    rows = found(
        database,
        f"""SELECT attack_type, severity, status, suppressed_by IS NOT NULL, count(*)
        FROM store.alerts WHERE organization = 'default' AND received_ns >= {since_ns}
        GROUP BY ALL""",  # noqa: S608
    )
    counts = (await count_since(database, "default", NOW_NS - hours * HOUR_NS)).alerts
    assert sum(rows.values())
    assert {msgspec.structs.astuple(each)[:-2]: each.count for each in counts} == rows
    for step_s in (60, 3600, 24 * 3600):
        first_ns = since_ns // (step_s * SECOND_NS) * step_s * SECOND_NS
        for by_arrival in (False, True):
            asked = {"since_ns": first_ns, "step_ns": step_s * SECOND_NS, "by_arrival": by_arrival}
            parameters = {"organization": "default"} | asked
            by_rows = await database.read("count_alerts_by_time", parameters, TrendRow)
            by_counts = await count_alerts_by_time(
                database,
                "default",
                since_ns=first_ns,
                step_ns=step_s * SECOND_NS,
                by_arrival=by_arrival,
            )
            assert by_counts == by_rows
        rows_and_files = RowsAndFiles(database, Archive(database))
        for device_id in (None, "edge-1"):
            which = {"since_ns": first_ns, "step_ns": step_s * SECOND_NS}
            for metric in ("alerts", "detections"):
                by_rows = await database.read(
                    f"trend_{metric}",
                    which
                    | {"organization": "default", "device_id": device_id, "sensor_type": None},
                    TrendRow,
                )
                by_counts = await find_trend(
                    rows_and_files,
                    "default",
                    metric,
                    since_ns=first_ns,
                    step_ns=step_s * SECOND_NS,
                    device_id=device_id,
                    sensor_type=None,
                )
                assert by_counts == by_rows


@pytest.mark.timeout(180)
async def test_a_database_from_before_there_were_counts_is_counted_when_it_is_opened(
    tmp_path: Path,
):
    async with Database(tmp_path) as database:
        history = History(database, 7)
        for _ in range(8):
            await history.tell()
            await history.decide()
        await history.hide()
        await history.tell()
        await history.fold()
        told = {level: counted(database, level, "counted <> 'frames'") for level in LEVELS}
        frames = (await count_since(database, "default", 0)).frames
    with duckdb.connect(str(tmp_path / FILE_NAME)) as stored:
        stored.execute(BEFORE_COUNTS)
    async with Database(tmp_path) as database:
        assert told == {level: counted(database, level, "counted <> 'frames'") for level in LEVELS}
        assert (await count_since(database, "default", 0)).frames == frames
        again = History(database, 7)
        again.ingest = ingest(database)
        for _ in range(8):  # the same once more: nothing of it counts
            await again.tell()
            await again.decide()
        assert (await count_since(database, "default", 0)).frames == frames


BEFORE_COUNTS = """
DROP MACRO TABLE store.counts_since;
DROP VIEW store.all_minutes;
DROP VIEW store.all_hours;
DROP VIEW store.all_days;
DROP VIEW store.countable_alerts;
DROP TABLE store.fresh_counts;
DROP TABLE store.minute_counts;
DROP TABLE store.hour_counts;
DROP TABLE store.day_counts;
ALTER TABLE store.watermarks DROP COLUMN frames;
CREATE TABLE store.told AS
SELECT * EXCLUDE (judge_id) FROM store.verdicts JOIN store.judges USING (judge_id);
DROP TABLE store.verdicts;
DROP TABLE store.judges;
ALTER TABLE store.told RENAME TO verdicts;
DELETE FROM schema_migrations WHERE number IN (21, 28, 31, 39);
"""


def test_steps_that_are_no_whole_minutes_are_counted_by_rows():
    assert source_of(10) is None
    assert source_of(90) is None
    assert [source_of(step_s) for step_s in (60, 7200, 3660, 86400)] == [
        "store.all_minutes",
        "store.all_hours",
        "store.all_minutes",
        "store.all_days",
    ]
