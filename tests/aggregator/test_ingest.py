"""What a batch of payloads does to the database and to those who watch."""

import asyncio
import time
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator.ingest import service
from aggregator.ingest.reading import Arrival, Item, Numbered, Present, read
from aggregator.shapes import alert_shape, isolation_shape
from aggregator.store.alert_changes import AlertChange, change_alerts
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.counts import count_since
from aggregator.store.database import Database
from aggregator.store.devices import DeviceRow, find_devices
from aggregator.store.incidents import IncidentFilter, count_incidents
from aggregator.store.isolations import IsolationFilter, find_isolations, losses
from aggregator.store.rejects import Reject
from aggregator.store.watermarks import Boot, Mark
from contract.messages import (
    AnyMessage,
    CommandAck,
    LogLine,
    LogLines,
    Loss,
    ModelsHave,
    Reading,
    Readings,
)
from tests.aggregator.messages import (
    BOOT,
    alert,
    envelope,
    health,
    isolation,
    now_ns,
    packet,
    presence,
    topic,
    verdicts,
)
from tests.aggregator.people import ADA
from tests.aggregator.taking import arrival, count, ingest, take, take_read

EDGE_1 = Boot("default", "edge-1", BOOT)
DAY_NS = 24 * 3600 * 10**9


def garbage(payload: bytes, where: str = "edgewarden/v1/default/edge-1/health") -> Arrival:
    return Arrival(where, payload, retained=False, received_ns=time.time_ns())


async def test_flows_are_named_with_the_seed_of_the_other_tools(database: Database):
    await take(ingest(database, community_id_seed=7), [arrival(alert())])
    (row,) = await find_alerts(database, "default", AlertFilter(), limit=9)
    assert row.community_id == "1:/PRFhGVJjcF/3ZwShNh31l/D2bY="


async def device(database: Database, device_id: str = "edge-1") -> DeviceRow:
    rows = await find_devices(database, "default", now_ns=time.time_ns(), device_ids=[device_id])
    return rows[0]


async def test_every_kind_of_message_is_stored(database: Database):
    messages: list[AnyMessage] = [
        verdicts(),
        alert(),
        isolation(),
        packet(),
        health(),
        ModelsHave(active="m-1", installed=["m-1", "m-0"], feature_schema_id="0" * 16),
        LogLines(lines=[LogLine(logged_ns=1, level="info", component="c", event="e")]),
        Readings(readings=[Reading(sensor_type="t", value=1.5, unit="C", read_ns=1)]),
        CommandAck(command_id="0" * 32, state="applied", at_ns=1),
    ]
    batch = [arrival(message, seq) for seq, message in enumerate(messages, start=1)]
    assert await take(ingest(database), batch) == {EDGE_1: Mark(len(messages), 0)}
    counts = {
        table: count(database, f"store.{table}")
        for table in (
            "verdicts",
            "alerts",
            "isolations",
            "packets",
            "health",
            "logs",
            "readings",
            "rejects",
        )
    }
    assert counts == dict.fromkeys(counts, 1) | {"verdicts": 2, "rejects": 0}
    assert (await device(database)).models == ["m-1", "m-0"]


async def test_a_message_sent_again_is_stored_once_and_receipted_again(database: Database):
    one = ingest(database)
    for _ in range(3):
        assert await take(one, [arrival(health())]) == {EDGE_1: Mark(1, 0)}
    assert count(database, "store.health") == 1
    assert one.counters.duplicates == 2


async def test_a_message_behind_a_gap_is_not_stored_until_the_gap_is_filled(database: Database):
    one = ingest(database)
    assert await take(one, [arrival(health(), 2)]) == {EDGE_1: Mark(0, 0)}
    assert count(database, "store.health") == 0
    assert await take(one, [arrival(health(), 1), arrival(health(), 2)]) == {EDGE_1: Mark(2, 0)}
    assert count(database, "store.health") == 2


async def test_what_a_device_gave_up_is_counted_as_lost_for_that_device(database: Database):
    one = ingest(database)
    await take(one, [arrival(health(), 1)])
    assert await take(one, [arrival(health(), 9, floor=9)]) == {EDGE_1: Mark(9, 7)}
    assert (await device(database)).lost_messages == 7
    await take(one, [arrival(health(), 20, floor=15)])
    assert (await device(database)).lost_messages == 7


async def test_a_message_we_cannot_read_is_kept_and_does_not_block_what_follows(
    database: Database,
):
    unknown = msgspec.msgpack.encode([BOOT, 1, 1, {"type": "of_a_later_version"}])
    receipts = await take(ingest(database), [garbage(unknown), arrival(health(), 2)])
    assert receipts == {EDGE_1: Mark(2, 0)}
    assert count(database, "store.health") == 1
    assert count(database, "store.rejects") == 1


async def test_garbage_is_kept_and_counted(database: Database):
    one = ingest(database)
    batch = [
        garbage(b"\xff\x00garbage"),
        garbage(b"", "edgewarden/v1/default/edge-1/presence"),
        garbage(envelope(health()), "edgewarden/v1/Not A Name/edge-1/health"),
        garbage(envelope(health()), "edgewarden/v1/default/edge-1/presence"),
        garbage(envelope(health(), 1, floor=5)),
    ]
    assert await take(one, batch) == {}
    assert one.counters.rejected == count(database, "store.rejects") == len(batch)
    assert count(database, "store.devices") == 0


async def test_a_message_on_the_topic_of_another_kind_is_rejected(database: Database):
    where = topic(health())
    misplaced = Arrival(where, envelope(alert()), retained=False, received_ns=1)
    assert await take(ingest(database), [misplaced]) == {EDGE_1: Mark(1, 0)}
    assert count(database, "store.alerts") == 0
    assert count(database, "store.rejects") == 1


async def test_an_alert_is_updated_by_its_device_and_keeps_what_people_decided(
    database: Database,
):
    one = ingest(database)
    await take(one, [arrival(alert(1, windows=2))])
    (before,) = await find_alerts(database, "default", AlertFilter(), limit=9)
    decided = AlertChange(status="acknowledged", notes="mine")
    await database.write(*change_alerts(ADA, "change", [before.id], decided, 5))
    await take(one, [arrival(alert(1, windows=5, state="closed"), 2)])
    (row,) = await find_alerts(database, "default", AlertFilter(), limit=9)
    assert (row.windows, row.state, row.status, row.notes) == (5, "closed", "acknowledged", "mine")


async def test_an_alert_of_long_ago_is_still_the_same_beside_new_ones(database: Database):
    one, long_ago_ns = ingest(database), now_ns() - 390 * DAY_NS
    await take(one, [arrival(alert(1, opened_ns=long_ago_ns)), arrival(alert(2), 2)])
    later = long_ago_ns + DAY_NS // 2  # by an agent that is not exact
    with one._announcer._live.watch("default", frozenset({"alert_updated"})) as watcher:
        batch: list[AnyMessage] = [
            alert(1, opened_ns=later, windows=9),
            isolation(alert_id=f"{2:032x}"),
            alert(3),
        ]
        await take(one, [arrival(each, seq) for seq, each in enumerate(batch, 3)])
        events = [msgspec.json.decode(each) for each in await watcher.take()]
    rows = await find_alerts(database, "default", AlertFilter(), limit=9)
    assert {int(row.alert_id, 16): row.windows for row in rows} == {1: 9, 2: 2, 3: 2}
    assert {int(event["data"]["alert_id"], 16) for event in events} == {1, 2}
    told = await count_since(database, "default", 0)
    assert sum(each.count for each in told.alerts) == len(rows)
    assert await count_incidents(database, "default", IncidentFilter()) == 2


async def test_the_isolation_of_an_old_alert_is_told_with_it(database: Database):
    one = ingest(database)
    await take(one, [arrival(alert(1, opened_ns=now_ns() - 390 * DAY_NS))])
    with one._announcer._live.watch("default", frozenset({"alert_updated"})) as watcher:
        await take(one, [arrival(isolation(alert_id=f"{1:032x}"), 2), arrival(alert(2), 3)])
        (event,) = [msgspec.json.decode(each) for each in await watcher.take()]
    assert event["data"]["mitigation_applied"]


async def test_the_last_word_on_an_alert_wins_within_a_batch(database: Database):
    batch = [arrival(alert(1, windows=n), n) for n in (1, 2, 3)]
    await take(ingest(database), batch)
    (row,) = await find_alerts(database, "default", AlertFilter(), limit=9)
    assert row.windows == 3


async def test_only_a_verified_isolation_counts_as_mitigation(database: Database):
    one = ingest(database)
    steps = ["simulated", "suggested", "applied", "failed"]
    batch = [arrival(alert(1))]
    for seq, state in enumerate(steps, start=2):
        message = isolation(seq, alert_id=f"{1:032x}", state=state)  # type: ignore[arg-type]
        batch.append(arrival(message, seq))
    await take(one, batch)
    (row,) = await find_alerts(database, "default", AlertFilter(), limit=9)
    assert not row.mitigated
    verified = isolation(3, alert_id=f"{1:032x}", state="verified")
    await take(one, [arrival(verified, 6)])
    lifted = msgspec.structs.replace(verified, state="lifted", lifted_ns=time.time_ns())
    await take(one, [arrival(lifted, 7)])
    (row,) = await find_alerts(database, "default", AlertFilter(), limit=9)
    assert row.mitigated


async def test_a_dry_run_that_calls_itself_verified_is_no_mitigation_and_says_so(
    database: Database,
):
    dry = msgspec.structs.replace(
        isolation(1, alert_id=f"{1:032x}"), enforcement="dry_run", detail="asked twice"
    )
    await take(ingest(database), [arrival(alert(1)), arrival(dry, 2)])
    (row,) = await find_alerts(database, "default", AlertFilter(), limit=9)
    assert not row.mitigated
    now_ns = time.time_ns()
    (kept,) = await find_isolations(database, "default", IsolationFilter(), now_ns=now_ns)
    shown = isolation_shape(kept)
    assert (shown.is_active, shown.enforcement) == (True, "dry_run")
    assert shown.notes == "dry run: nobody is cut off; asked twice"


async def test_what_an_isolation_takes_away_is_kept_when_a_later_word_says_nothing_of_it(
    database: Database,
):
    lost = Loss(peer_mac="02:00:00:00:00:32", protocol="udp", port=53, serves=True)
    told = msgspec.structs.replace(
        isolation(1), losses=[lost], further_losses=2, host_group="cameras"
    )
    one = ingest(database)
    await take(one, [arrival(told, 1)])
    await take(one, [arrival(isolation(1, state="expired"), 2)])
    now_ns = time.time_ns()
    (row,) = await find_isolations(database, "default", IsolationFilter(), now_ns=now_ns)
    assert (row.state, losses(row)) == ("expired", [lost])
    assert (row.further_losses, row.host_group) == (2, "cameras")


async def test_an_isolation_is_active_until_its_lease_runs_out(database: Database):
    await take(ingest(database), [arrival(isolation(1))])
    now_ns = time.time_ns()
    active = IsolationFilter(active_only=True)
    assert len(await find_isolations(database, "default", active, now_ns=now_ns)) == 1
    later_ns = now_ns + 700 * 10**9
    assert not await find_isolations(database, "default", active, now_ns=later_ns)


async def test_presence_needs_no_turn_and_no_receipt(database: Database):
    one = ingest(database)
    assert await take(one, [arrival(presence()), arrival(presence())]) == {}
    assert (await device(database)).status == "online"
    assert await take(one, [arrival(presence(online=False))]) == {}
    assert (await device(database)).status == "offline"


async def test_a_device_that_tells_something_new_is_there_until_it_says_goodbye(
    database: Database,
):
    gone = arrival(presence(online=False))
    await take(ingest(database), [gone])
    await take(ingest(database), [arrival(health())])
    assert (await device(database)).status == "online"
    await take(ingest(database), [arrival(health(), 2), gone])
    assert (await device(database)).status == "offline"
    await take(ingest(database), [arrival(health(), 2)])  # nothing new: it waited somewhere
    assert (await device(database)).status == "offline"


async def test_a_device_that_was_silent_for_long_counts_as_offline(database: Database):
    await take(ingest(database), [arrival(health())])
    later_ns = time.time_ns() + 120 * 10**9
    (row,) = await find_devices(database, "default", now_ns=later_ns)
    assert row.status == "offline"


async def test_a_retained_presence_says_nothing_about_now(database: Database):
    one = ingest(database)
    await take(one, [arrival(health())])
    before = (await device(database)).last_seen_ns
    await take(one, [arrival(presence(), retained=True)])
    assert (await device(database)).last_seen_ns == before
    await take(one, [arrival(presence())])
    after = (await device(database)).last_seen_ns
    assert after is not None
    assert before is not None
    assert after > before


async def test_the_same_device_in_two_organizations_is_two(database: Database):
    one = ingest(database)
    await take(one, [arrival(alert(1)), arrival(alert(1), organization="elsewhere")])
    for organization in ("default", "elsewhere"):
        assert len(await find_alerts(database, organization, AlertFilter(), limit=9)) == 1


async def test_devices_that_watch_the_same_attack_have_an_alert_each(database: Database):
    one = ingest(database)
    await take(one, [arrival(alert(1)), arrival(alert(1), device_id="edge-2")])
    rows = await find_alerts(database, "default", AlertFilter(), limit=9)
    assert {row.device_id for row in rows} == {"edge-1", "edge-2"}


async def test_a_message_that_the_database_refuses_is_rejected_alone(database: Database):
    one = ingest(database)
    items = [read(arrival(alert(number), number)) for number in (1, 2, 3)]
    assert isinstance(items[1], Numbered)
    evil: Any = msgspec.structs.replace(alert(2), windows=2**63)  # the codec lets none through
    items[1] = msgspec.structs.replace(items[1], message=evil)
    assert await take_read(one, items) == {EDGE_1: Mark(3, 0)}
    assert count(database, "store.alerts") == 2
    assert (one.counters.stored, one.counters.rejected) == (3, 1)


async def test_the_largest_values_of_every_message_are_stored(database: Database):
    most = 2**63 - 1
    messages: list[AnyMessage] = [
        msgspec.structs.replace(
            alert(1), first_seen_ns=most, opened_ns=most, last_seen_ns=most, windows=most
        ),
        msgspec.structs.replace(isolation(1), isolated_ns=most, expires_ns=most),
        msgspec.structs.replace(health(), frames=most, uptime_s=most, sent_ns=most),
        msgspec.structs.replace(packet(), captured_ns=most, packet_bytes=most),
        msgspec.structs.replace(
            verdicts(), window_start_ns=[most - verdicts().window_ns] * 2, packets=[most] * 2
        ),
        msgspec.structs.replace(verdicts(), window_ns=2**62),
        CommandAck(command_id="0" * 32, state="applied", at_ns=most, detail="\0\uffff😀"),
    ]
    one = ingest(database)
    batch = [arrival(message, seq) for seq, message in enumerate(messages, start=1)]
    assert await take(one, batch) == {EDGE_1: Mark(len(messages), 0, most)}
    assert one.counters.rejected == 1  # the window of a century
    for boot in ("00000000000000c1", "00000000000000c2"):
        far = arrival(msgspec.structs.replace(health(), frames=most), most, floor=most, boot=boot)
        await take(one, [far])
    assert (await device(database)).lost_messages == most
    assert (await count_since(database, "default", 0)).frames == most
    (row,) = await find_alerts(database, "default", AlertFilter(), limit=9)
    assert alert_shape(row).detected_at.startswith("2262-")


async def test_while_a_large_batch_is_read_others_have_their_turn(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    turns, seen = 0, []

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def noted(arrival: Arrival) -> Item:
        seen.append(turns)
        return read(arrival)

    monkeypatch.setattr(service, "read", noted)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(others())
        await ingest(database).store([garbage(bytes(service.READ_BYTES)) for _ in range(3)])
        task.cancel()
    assert seen[0] < seen[1] < seen[2]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300), st.text(max_size=60))
def test_no_payload_and_no_topic_can_break_the_reading(payload: bytes, leaf: str):
    for where in ("edgewarden/v1/default/edge-1/alerts", f"edgewarden/v1/default/edge-1/{leaf}"):
        item = read(Arrival(where, payload, retained=False, received_ns=1))
        assert isinstance(item, Numbered | Present | Reject)
