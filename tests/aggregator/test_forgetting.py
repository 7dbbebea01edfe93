"""What devices and people leave behind goes in time: boots, commands, what was decided about alerts."""

import logging
import time

import msgspec
import pytest

from aggregator.config import StoreConfig
from aggregator.store import devices, watermarks
from aggregator.store.alert_changes import AlertChange, change_alerts
from aggregator.store.alerts import AlertFilter, find_alerts, save_alerts
from aggregator.store.archive import Archive
from aggregator.store.commands import CommandFilter, NewCommand, add_command, find_commands
from aggregator.store.database import Database
from aggregator.store.isolations import save_isolations
from aggregator.store.reported import Reported
from aggregator.store.retention import Retention
from aggregator.store.room import Room
from aggregator.store.watermarks import Boot, Mark, find_marks, save_marks
from contract.messages import CommandAck
from tests.aggregator.messages import BOOT, alert, health, isolation
from tests.aggregator.people import ADA
from tests.aggregator.taking import arrival, count, ingest, take

DAY_NS = 24 * 3600 * 10**9
NOW_NS = time.time_ns()


async def retain(database: Database, now_ns: int = NOW_NS) -> None:
    archive = Archive(database)
    await archive.open()
    config = StoreConfig()
    await Retention(database, archive, config, Room(database.path.parent, 0)).apply(now_ns)


async def test_a_device_that_makes_up_boots_is_remembered_by_its_last_ones(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(watermarks, "MOST_BOOTS", 3)
    one = ingest(database)
    await take(one, [arrival(health(), device_id="quiet")])
    for number in range(9):
        await take(one, [arrival(health(), boot=f"{number:016x}")])
    boots = [Boot("default", "edge-1", f"{number:016x}") for number in range(9)]
    assert set(await find_marks(database, boots)) == set(boots[-3:])
    assert count(database, "store.watermarks") == 4
    assert one.counters.boots_forgotten == 6
    assert caplog.messages.count("first_boot_forgotten") == 1
    assert await take(one, [arrival(health(), boot=f"{0:016x}")]) == {boots[0]: Mark(1, 0)}
    assert count(database, "store.health") == 10  # what it was told lately is not taken twice


async def test_a_boot_is_forgotten_when_nothing_that_it_told_is_there_any_more(
    database: Database,
):
    old, recent = (Boot("default", "edge-1", f"{number:016x}") for number in (1, 2))
    await database.write(save_marks({old: Mark(7, 0)}, NOW_NS - 402 * DAY_NS))
    await database.write(save_marks({recent: Mark(7, 0)}, NOW_NS - 400 * DAY_NS))
    await retain(database)
    assert await find_marks(database, [old, recent]) == {recent: Mark(7, 0)}


async def test_what_was_decided_about_an_alert_goes_with_it(database: Database):
    for number, days_ago in enumerate((399, 401)):
        at_ns = NOW_NS - days_ago * DAY_NS
        message = msgspec.structs.replace(alert(number, opened_ns=at_ns), last_seen_ns=at_ns)
        await database.write(*save_alerts([Reported("default", "pi", BOOT, at_ns, message)]))
    alerts = await find_alerts(database, "default", AlertFilter(), limit=9)
    for row in alerts:
        decided = AlertChange(status="resolved")
        await database.write(*change_alerts(ADA, f"{row.id}", [row.id], decided, 5))
    assert count(database, "store.alert_changes") == 2
    await retain(database)
    assert count(database, "store.alert_changes") == 1


async def test_a_command_is_kept_as_long_as_alerts_or_the_isolation_that_it_is_about(
    database: Database,
):
    told = [(399, None), (401, None), (401, isolation(1)), (401, isolation(2))]
    for number, (days_ago, about) in enumerate(told, 1):
        new = NewCommand(
            organization="default",
            device_id="pi",
            command_id=f"{number:032x}",
            kind="release",
            isolation_id=about.isolation_id if about else None,
            body="{}",
            payload=None,
            user_id=None,
            username="ada",
            expires_ns=NOW_NS - days_ago * DAY_NS,
        )
        await database.write(add_command(new, new.expires_ns))
    await database.write(save_isolations([Reported("default", "pi", BOOT, NOW_NS, isolation(1))]))
    await retain(database)
    kept = await find_commands(database, "default", CommandFilter())
    assert {int(row.command_id, 16) for row in kept} == {1, 3}


async def test_what_is_said_of_a_command_that_nobody_gave_is_kept_nowhere(database: Database):
    acks = [CommandAck(command_id=f"{n:032x}", state="applied", at_ns=1) for n in range(3)]
    one = ingest(database)
    await take(one, [arrival(ack, seq) for seq, ack in enumerate(acks, 1)])
    assert (one.counters.stored, one.counters.rejected) == (3, 0)
    with database._open_connection().cursor() as cursor:
        tables = cursor.execute("SELECT table_name FROM information_schema.tables").fetchall()
    assert ("command_acks",) not in tables
    assert count(database, "store.commands") == 0


async def test_of_removed_devices_the_last_are_remembered_and_those_that_still_talk(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(devices, "MOST_REMOVED", 2)
    await take(ingest(database), [arrival(health(), device_id="talks")])
    for at_ns, name in enumerate(("talks", "a", "b", "a", "c")):
        await database.write(*devices.note_removed("default", name, at_ns))
    with database._open_connection().cursor() as cursor:
        kept = cursor.execute("SELECT device_id FROM store.removed_devices").fetchall()
    assert {name for (name,) in kept} == {"talks", "a", "c"}
