"""What did not arrive is shown: for each device, and as counters for Prometheus."""

import re

import httpx
import msgspec
import pytest

from aggregator.store.database import Database
from aggregator.store.devices import Heard, save_heard
from aggregator.store.gaps import FRESH_NS, GapRow, find_gaps
from aggregator.store.health import save_health
from aggregator.store.reported import Reported
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import BOOT, SECOND_NS, health, now_ns

HOUR_NS = 3600 * SECOND_NS


async def report(database: Database, **fields: object) -> None:
    message = msgspec.structs.replace(health(), **fields)
    stored = Reported("default", "pi-7", BOOT, message.sent_ns + SECOND_NS, message)
    await database.write(
        save_heard([Heard("default", "pi-7", 3)], now_ns()), save_health([stored])
    )


async def gap(database: Database) -> GapRow:
    (row,) = await find_gaps(database, "default", limit=10)
    assert await find_gaps(database, "elsewhere", limit=10) == []
    return row


async def test_what_waits_is_told_by_the_newest_report(database: Database):
    now = now_ns()
    await report(database, sent_ns=now - HOUR_NS, queued={"spool": 9})
    await report(database, sent_ns=now, queued={"spool": 1200, "spool_memory": 4, "hosts": 7})
    await report(database, sent_ns=now - 2 * HOUR_NS, queued={})
    row = await gap(database)
    assert (row.lost, row.queued) == (9, 1204)
    assert row.oldest_ns(now + 3 * HOUR_NS) == 3 * HOUR_NS


async def test_nothing_waits_where_a_fresh_report_says_so(database: Database):
    now = now_ns()
    await report(database, sent_ns=now, queued={"spool": 0})
    row = await gap(database)
    assert row.oldest_ns(now + FRESH_NS) == 0
    assert row.oldest_ns(now + HOUR_NS) == HOUR_NS  # silent for so long: who knows what it holds


async def test_a_clock_that_cannot_be_trusted_is_not(database: Database):
    await report(database, sent_ns=5, clock_synchronized=False)
    row = await gap(database)
    assert row.reported_ns == 5 + SECOND_NS
    assert row.oldest_ns(0) == 0


async def test_a_device_that_never_reported_has_no_age(database: Database):
    await database.write(save_heard([Heard("default", "pi-7", 0)], now_ns()))
    assert (await gap(database)).oldest_ns(now_ns()) == 0


def test_a_gap_is_said_in_words(centre: Centre):
    hours = now_ns() - 3 * HOUR_NS - SECOND_NS
    late = msgspec.structs.replace(health(), sent_ns=hours, queued={"spool": 1204})
    centre.told("gap-pi", late)
    with centre.client("viewer") as client:
        found = {item["device_id"]: item for item in client.get("/gaps?limit=1000").json()}
        assert client.get("/gaps", params={"limit": 0}).status_code == 400
        devices = client.get("/devices?limit=1").headers["x-total-count"]
        assert client.get("/gaps?limit=1").headers["x-total-count"] == devices
    assert found["gap-pi"]["words"] == "gap-pi: 0 lost, 1,204 queued, oldest 3 h"
    with centre.client("stranger") as client:
        assert "gap-pi" not in client.get("/gaps").text


@pytest.fixture
def shown(centre: Centre) -> str:
    centre.told("metrics-pi", health())
    with centre.client("viewer") as client:
        answer = client.get(f"{centre.url}/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


def test_prometheus_reads_every_line(shown: str):
    line = re.compile(
        r"# (HELP|TYPE) edgewarden_\w+ .+"
        r"|edgewarden_\w+(\{\w+=\"[\w-]+\"(,\w+=\"[\w-]+\")*\})? [0-9.e+-]+"
    )
    assert [text for text in shown.splitlines() if not line.fullmatch(text)] == []
    assert 'edgewarden_device_queued_messages{device="metrics-pi"} 2\n' in shown
    assert 'edgewarden_device_online{device="metrics-pi"} 1\n' in shown
    assert 'edgewarden_device_drifting{device="metrics-pi"} 0\n' in shown
    assert "edgewarden_broker_connected 1\n" in shown
    assert 'edgewarden_ingest_messages_total{outcome="discarded"} 0\n' in shown
    stored = re.search(r'edgewarden_ingest_messages_total\{outcome="stored"\} (\d+)', shown)
    assert stored is not None
    assert int(stored[1]) >= 1


def test_a_device_that_is_there_is_online_however_it_is(centre: Centre):
    with centre.client() as client:
        client.post("/devices", json={"device_id": "metrics-esp"}).raise_for_status()
        for status, online in (("warning", 1), ("error", 1), ("offline", 0)):
            client.post("/devices/metrics-esp/status", json={"status": status}).raise_for_status()
            shown = client.get(f"{centre.url}/metrics").text
            assert f'edgewarden_device_online{{device="metrics-esp"}} {online}\n' in shown


def test_counters_are_for_people_who_are_signed_in(centre: Centre, shown: str):
    assert "metrics-pi" in shown
    assert httpx.get(f"{centre.url}/metrics").status_code == 401
    with centre.client("stranger") as client:
        assert "metrics-pi" not in client.get(f"{centre.url}/metrics").text
