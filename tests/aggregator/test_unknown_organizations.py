"""Messages of organizations that there are not: kept by their devices until there are."""

import asyncio
import logging

import pytest

from aggregator.ingest import organizations
from aggregator.ingest.reading import Arrival
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.database import Database
from aggregator.store.organizations import add_organization
from aggregator.store.watermarks import Boot, Mark
from tests.aggregator.conftest import PASSWORD, Centre
from tests.aggregator.messages import BOOT, alert, presence
from tests.aggregator.taking import arrival, count, ingest, take


async def test_what_comes_for_no_organization_is_neither_stored_nor_receipted(
    database: Database, caplog: pytest.LogCaptureFixture
):
    one = ingest(database)
    garbage = Arrival("edgewarden/v1/nobody/edge-1/alerts", b"\xff", retained=False, received_ns=1)
    batch = [arrival(alert(n), n, organization="nobody") for n in (1, 2)]
    batch += [arrival(presence(), organization="nobody"), garbage, arrival(alert(3))]
    for _ in range(2):
        assert await take(one, batch) == {Boot("default", "edge-1", BOOT): Mark(1, 0)}
    assert (count(database, "store.devices"), count(database, "store.alerts")) == (1, 1)
    assert count(database, "store.rejects") == 0
    assert (one.counters.unknown_organization, one.counters.stored) == (8, 1)
    (said,) = [item for item in caplog.records if item.message == "unknown_organization"]
    assert (said.levelno, said.__dict__["organization"]) == (logging.ERROR, "nobody")
    assert said.__dict__["messages"] == 4


async def test_it_is_taken_once_there_is_the_organization(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(organizations, "LOOK_S", 0.2)
    one, told = ingest(database), [arrival(alert(1), organization="later")]
    assert await take(one, told) == {}
    await database.write(add_organization("later", "Later", 1))
    flood = [arrival(alert(1), organization=f"made-up-{n}") for n in range(99)]
    assert await take(one, told) == {}  # it was looked just now
    await asyncio.sleep(0.25)
    await take(one, flood)  # the look is for it
    assert await take(one, flood + told) == {Boot("later", "edge-1", BOOT): Mark(1, 0)}
    assert len(await find_alerts(database, "later", AlertFilter(), limit=9)) == 1


async def test_a_look_that_is_given_up_hides_no_organization(database: Database):
    one, told = ingest(database), [arrival(alert(1))]
    async with asyncio.TaskGroup() as tasks:
        given_up = tasks.create_task(one.store(told))
        await asyncio.sleep(0)  # it has begun to look
        given_up.cancel()
    assert await take(one, told) == {Boot("default", "edge-1", BOOT): Mark(1, 0)}


async def test_whoever_makes_up_organizations_fills_neither_the_log_nor_the_memory(
    database: Database, caplog: pytest.LogCaptureFixture
):
    one = ingest(database)
    for start in range(0, 200, 50):
        names = [f"made-up-{n}" for n in range(start, start + 50)]
        await take(one, [arrival(alert(1), organization=name) for name in names])
    assert one.counters.unknown_organization == 200
    assert caplog.messages.count("unknown_organization") == organizations.MOST_NAMED


async def test_a_device_that_was_early_is_heard_by_the_organization_that_is_made(centre: Centre):
    admin = {"username": "late-admin", "password": PASSWORD}
    async with centre.device("early-bird", "latecomers") as device:
        await device.publish(alert(77), 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await anext(device.client.messages)
        with centre.client() as client:
            body = {"organization": "latecomers", "admin": admin}
            client.post("/organizations", json=body).raise_for_status()
            assert (
                b'outcome="unknown_organization"} 0'
                not in client.get(f"{centre.url}/metrics").content
            )
        await asyncio.sleep(1.1)
        async with asyncio.timeout(5):
            await device.tell(alert(77))
    with centre.client("late-admin") as client:
        (kept,) = client.get("/alerts").raise_for_status().json()
    assert kept["alert_id"] == f"{77:032x}"
