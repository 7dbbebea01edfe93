"""Devices whose clock is wrong: what they tell is kept by our clock, and marked."""

import msgspec
import pytest

from aggregator.ingest import clocks as clocks_module
from aggregator.ingest.clocks import Clocks
from aggregator.ingest.reading import Arrival, Present
from aggregator.ingest.storing import AnyReported
from aggregator.shapes import alert_shape
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.database import Database
from aggregator.store.devices import find_devices
from aggregator.store.isolations import IsolationFilter, find_isolations
from aggregator.store.reported import Reported
from contract.messages import (
    Alert,
    AnyMessage,
    CommandAck,
    Health,
    LogLine,
    LogLines,
    Presence,
    Reading,
    Readings,
)
from tests.aggregator.messages import (
    BOOT,
    SECOND_NS,
    alert,
    envelope,
    health,
    isolation,
    packet,
    topic,
    verdicts,
)
from tests.aggregator.taking import ingest, take

NOW_NS = 1_900_000_000 * SECOND_NS
DAY_NS = 24 * 3600 * SECOND_NS
WRONG = pytest.mark.parametrize("wrong_ns", [-900 * DAY_NS, 900 * DAY_NS, -3600 * SECOND_NS])


def state(at_ns: int, uptime_s: int, *, synchronized: bool = False) -> Health:
    return msgspec.structs.replace(
        health(), sent_ns=at_ns, uptime_s=uptime_s, clock_synchronized=synchronized
    )


def here(uptime_s: int | None, at_ns: int) -> Presence:
    return Presence(
        online=True, since_ns=at_ns, boot=BOOT, version="1", model_id="m", uptime_s=uptime_s
    )


def told(message: AnyMessage, received_ns: int, device_id: str = "pi") -> AnyReported:
    return Reported("default", device_id, BOOT, received_ns, message)


def arrived(message: AnyMessage, seq: int, received_ns: int) -> Arrival:
    payload = envelope(message, seq)
    return Arrival(topic(message, "pi"), payload, retained=False, received_ns=received_ns)


def came(message: Presence, received_ns: int, *, retained: bool = False) -> Present:
    return Present(Reported("default", "pi", BOOT, received_ns, message), retained)


def opened(item: AnyReported) -> int:
    assert isinstance(item.message, Alert)
    return item.message.opened_ns


@WRONG
async def test_an_alert_of_a_wrong_clock_is_kept_by_ours_and_marked(
    database: Database, wrong_ns: int
):
    taking = ingest(database)
    at_ns = NOW_NS + 30 * SECOND_NS
    messages: list[AnyMessage] = [
        state(NOW_NS + SECOND_NS + wrong_ns, 1),
        alert(1, opened_ns=at_ns + wrong_ns),
        msgspec.structs.replace(
            isolation(), isolated_ns=at_ns + wrong_ns, expires_ns=at_ns + wrong_ns + DAY_NS
        ),
    ]
    await take(taking, [arrived(here(0, NOW_NS + wrong_ns), 1, NOW_NS)])
    for seq, message in enumerate(messages, 1):
        received_ns = NOW_NS + 40 * SECOND_NS if seq > 1 else NOW_NS + SECOND_NS
        await take(taking, [arrived(message, seq, received_ns)])
    (row,) = await find_alerts(database, "default", AlertFilter(), limit=10)
    assert row.opened_ns == at_ns
    assert row.clock_offset_ns == -wrong_ns
    shape = alert_shape(row)
    assert shape.clock_offset_s == -wrong_ns / 1e9
    assert shape.received_at > shape.detected_at
    (device,) = await find_devices(database, "default", now_ns=NOW_NS)
    assert device.clock_offset_ns == -wrong_ns
    (cut,) = await find_isolations(database, "default", IsolationFilter(), now_ns=NOW_NS)
    assert (cut.isolated_ns, cut.expires_ns) == (at_ns, at_ns + DAY_NS)


async def test_a_clock_that_is_right_is_left_alone(database: Database):
    taking = ingest(database)
    late_ns = NOW_NS + DAY_NS  # the link was cut
    messages: list[AnyMessage] = [state(NOW_NS, 5, synchronized=True), alert(1, opened_ns=NOW_NS)]
    for seq, message in enumerate(messages, 1):
        await take(taking, [arrived(message, seq, late_ns)])
    (row,) = await find_alerts(database, "default", AlertFilter(), limit=10)
    assert (row.opened_ns, row.clock_offset_ns) == (NOW_NS, 0)
    assert alert_shape(row).clock_offset_s == 0


@WRONG
def test_what_waited_while_the_link_was_cut_is_of_when_it_was(wrong_ns: int):
    clocks = Clocks()
    back_ns = NOW_NS + DAY_NS
    clocks.meet([came(here(24 * 3600, back_ns + wrong_ns), back_ns)])
    reported = clocks.corrected(
        [
            told(state(NOW_NS + wrong_ns + SECOND_NS, 1), back_ns),
            told(alert(1, opened_ns=NOW_NS + wrong_ns + 60 * SECOND_NS), back_ns),
        ]
    )
    assert opened(reported[1]) == NOW_NS + 60 * SECOND_NS
    assert reported[1].clock_offset_ns == -wrong_ns


def test_a_clock_that_is_set_is_believed_from_then_on():
    clocks = Clocks()
    wrong_ns = -20 * 365 * DAY_NS
    reported = clocks.corrected(
        [
            told(state(NOW_NS + wrong_ns, 0), NOW_NS),
            told(alert(1, opened_ns=NOW_NS + wrong_ns + SECOND_NS), NOW_NS + 2 * SECOND_NS),
            told(state(NOW_NS + 10 * SECOND_NS, 10, synchronized=True), NOW_NS + 10 * SECOND_NS),
            told(alert(2, opened_ns=NOW_NS + 11 * SECOND_NS), NOW_NS + 12 * SECOND_NS),
        ]
    )
    assert [opened(reported[at]) for at in (1, 3)] == [NOW_NS + SECOND_NS, NOW_NS + 11 * SECOND_NS]
    assert [item.clock_offset_ns for item in reported] == [-wrong_ns, -wrong_ns, 0, 0]


def test_a_machine_that_was_halted_is_told_by_when_it_came_back():
    clocks = Clocks()
    clocks.meet([came(here(0, NOW_NS), NOW_NS)])
    hour_ns = (
        3600 * SECOND_NS
    )  # for which it neither ran nor was heard, nor went on with its clock
    clocks.corrected([told(state(NOW_NS + 10 * SECOND_NS, 10), NOW_NS + 10 * SECOND_NS)])
    clocks.meet([came(here(20, NOW_NS + 20 * SECOND_NS), NOW_NS + hour_ns)])
    reported = clocks.corrected(
        [
            told(state(NOW_NS + 25 * SECOND_NS, 25), NOW_NS + hour_ns + 5 * SECOND_NS),
            told(alert(1, opened_ns=NOW_NS + 26 * SECOND_NS), NOW_NS + hour_ns + 7 * SECOND_NS),
        ]
    )
    assert opened(reported[1]) == NOW_NS + hour_ns + 6 * SECOND_NS


def test_nothing_is_later_than_its_arrival_and_seconds_are_not_missed():
    clocks = Clocks()
    ahead = alert(1, opened_ns=NOW_NS - 3 * DAY_NS)
    reported = clocks.corrected([told(state(NOW_NS - 5 * DAY_NS, 0), NOW_NS), told(ahead, NOW_NS)])
    assert opened(reported[1]) == NOW_NS
    clocks = Clocks()
    near = alert(1, opened_ns=NOW_NS - 50 * SECOND_NS)
    reported = clocks.corrected(
        [told(state(NOW_NS - 59 * SECOND_NS, 0), NOW_NS), told(near, NOW_NS)]
    )
    assert opened(reported[1]) == NOW_NS - 50 * SECOND_NS


async def test_a_device_that_makes_up_how_long_it_has_run_stops_nobody(database: Database):
    taking = ingest(database)
    for seq, uptime_s in enumerate((2**62, 0, 2**62, 3), 1):
        await take(taking, [arrived(state(NOW_NS, uptime_s), seq, NOW_NS)])
    await take(taking, [arrived(alert(1, opened_ns=NOW_NS), 5, NOW_NS)])
    assert taking.counters.rejected == 0
    (row,) = await find_alerts(database, "default", AlertFilter(), limit=10)
    assert row.opened_ns == 0


def test_what_the_broker_kept_says_nothing_of_the_clock_and_neither_does_an_older_agent():
    clocks = Clocks()
    clocks.meet(
        [
            came(here(5, 0), NOW_NS - 9 * DAY_NS, retained=True),
            came(here(None, 0), NOW_NS - 9 * DAY_NS),
            came(msgspec.structs.replace(here(5, 0), online=False), NOW_NS - 9 * DAY_NS),
        ]
    )
    (reported,) = clocks.corrected([told(state(NOW_NS - DAY_NS, 7), NOW_NS)])
    assert reported.clock_offset_ns == DAY_NS


def test_every_kind_of_message_is_corrected():
    clocks = Clocks()
    then_ns, now_ns = NOW_NS - 400 * DAY_NS, NOW_NS
    line = LogLine(logged_ns=then_ns, level="info", component="x", event="y")
    value = Reading(sensor_type="t", value=1, unit="", read_ns=then_ns)
    batch = msgspec.structs.replace(verdicts(), window_start_ns=[then_ns, then_ns])
    messages: list[AnyMessage] = [
        state(then_ns, 0),
        batch,
        msgspec.structs.replace(packet(), captured_ns=then_ns),
        CommandAck(command_id="0" * 32, state="applied", at_ns=then_ns),
        LogLines(lines=[line]),
        Readings(readings=[value]),
        msgspec.structs.replace(isolation(), isolated_ns=then_ns, expires_ns=then_ns),
        alert(1, opened_ns=then_ns),
    ]
    kept = clocks.corrected([told(message, now_ns) for message in messages])
    text = msgspec.json.encode([item.message for item in kept[1:]]).decode()
    assert str(then_ns)[:6] not in text
    assert (
        text.count(str(now_ns)) == 10
    )  # an alert that lasts until later than it arrived ends then


def test_devices_are_told_apart_and_the_longest_silent_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(clocks_module, "MOST_BOOTS", 2)
    clocks = Clocks()
    for device_id in ("a", "b", "a", "c"):
        clocks.corrected([told(state(NOW_NS - DAY_NS, 0), NOW_NS, device_id)])
    offsets = [
        clocks.corrected([told(alert(1, opened_ns=NOW_NS - DAY_NS), NOW_NS, device_id)])
        for device_id in ("a", "b", "c", "d")
    ]
    assert [item.clock_offset_ns for (item,) in offsets] == [DAY_NS, 0, DAY_NS, 0]


@WRONG
async def test_a_restarted_centre_corrects_by_what_it_was_told_before(
    database: Database, wrong_ns: int
):
    before = ingest(database)
    at_ns = NOW_NS + 30 * SECOND_NS
    await take(before, [arrived(state(NOW_NS + wrong_ns, 1), 1, NOW_NS)])
    after = ingest(database)
    await take(after, [arrived(alert(1, opened_ns=at_ns + wrong_ns), 2, at_ns + SECOND_NS)])
    (row,) = await find_alerts(database, "default", AlertFilter(), limit=10)
    assert (row.opened_ns, row.clock_offset_ns) == (at_ns, -wrong_ns)
