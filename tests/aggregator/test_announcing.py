"""What those who watch are told of a batch is what the database has of it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from aggregator.ingest.reading import Arrival
from aggregator.ingest.service import Ingest
from aggregator.live import Watcher
from aggregator.shapes import alert_shape, incident_shape
from aggregator.store.alert_changes import AlertChange, change_alerts
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.database import Database
from aggregator.store.incidents import IncidentFilter, find_incidents
from aggregator.store.suppressions import Match, add_suppression
from contract.attacks import AttackType
from contract.messages import Alert, AnyMessage, IsolationState
from tests.aggregator.messages import alert, health, isolation, now_ns
from tests.aggregator.people import ADA
from tests.aggregator.taking import arrival, ingest, take

BEHIND_NS = {"edge-1": 0, "edge-2": 3600 * 10**9}  # their clocks
DEVICES = tuple(BEHIND_NS)
ATTACKS: tuple[AttackType, ...] = ("Scan", "MITM", "DOS")
STATES: tuple[IsolationState, ...] = ("verified", "applied")
HIDDEN: AttackType = "DOS"
Told = dict[tuple[str, str], dict[str, Any]]


class World:
    """An ingest, who watches its alerts, and devices that tell of them."""

    def __init__(self, database: Database, taking: Ingest, watcher: Watcher) -> None:
        self.database = database
        self.ingest = taking
        self.watcher = watcher
        self._seqs = dict.fromkeys(DEVICES, 0)

    def told_by(self, device_id: str, message: AnyMessage) -> Arrival:
        self._seqs[device_id] += 1
        return arrival(message, self._seqs[device_id], device_id=device_id)

    async def events(self, batch: list[Arrival]) -> list[dict[str, Any]]:
        """Return what is told of a batch."""
        await take(self.ingest, batch)
        found = []
        while True:
            try:
                async with asyncio.timeout(0.15):
                    found += [msgspec.json.decode(each) for each in await self.watcher.take()]
            except TimeoutError:
                return found

    async def stored(self) -> Told:
        """Return every alert that is shown, in the shape of the API."""
        shown = AlertFilter(suppressed=False)
        rows = await find_alerts(self.database, "default", shown, limit=1000)
        shapes = [msgspec.to_builtins(alert_shape(row)) for row in rows]
        return {(each["affected_device_id"], each["alert_id"]): each for each in shapes}


@asynccontextmanager
async def world(database: Database) -> AsyncIterator[World]:
    taking = ingest(database)
    now = now_ns()
    hide = Match(attack_type=HIDDEN)
    until = now + 10**12
    await database.write(
        add_suppression(
            "default", hide, reason="-", username="ada", now_ns=now - 1, expires_ns=until
        )
    )
    kinds = frozenset({"new_alert", "alert_updated"})
    with taking._announcer._live.watch("default", kinds) as watcher:
        yield World(database, taking, watcher)


def some_messages(
    dice: random.Random, opened: dict[tuple[int, int], int], behind_ns: int
) -> list[AnyMessage]:
    """Return alerts, new and known, plain and with everything, and isolations of some of them."""
    messages: list[AnyMessage] = []
    for number in dice.choices(range(1, 9), k=dice.randint(1, 6)):
        told = alert(
            number,
            attack_type=dice.choice(ATTACKS),
            opened_ns=opened.setdefault((number, behind_ns), now_ns() - behind_ns),
            windows=dice.randint(1, 9),
        )
        if dice.random() < 0.3:
            told = plain(told)
        messages.append(told)
        if dice.random() < 0.2:
            messages.append(isolation(number, alert_id=told.alert_id, state=dice.choice(STATES)))
    return messages


def plain(told: Alert) -> Alert:
    return msgspec.structs.replace(
        told, flow=None, counterfactual=[], src_ip=None, dst_ip=None, src_mac=None
    )


@pytest.mark.parametrize("seed", range(6))
async def test_alerts_are_told_as_they_are_stored(database: Database, seed: int):
    dice, opened = random.Random(seed), dict[tuple[int, int], int]()  # noqa: S311  nothing secret
    async with world(database) as here:
        wrong = msgspec.structs.replace(
            health(), sent_ns=now_ns() - BEHIND_NS["edge-2"], clock_synchronized=False
        )
        await here.events([here.told_by("edge-2", wrong)])
        for _ in range(5):
            before = await here.stored()
            batch = [
                here.told_by(device_id, message)
                for device_id in DEVICES
                for message in some_messages(dice, opened, BEHIND_NS[device_id])
            ]
            events = await here.events(batch)
            after = await here.stored()
            for event in events:
                shape = event["data"]
                key = shape["affected_device_id"], shape["alert_id"]
                assert shape == after[key]
                assert (event["type"] == "new_alert") == (key not in before)
            told = {
                (each["data"]["affected_device_id"], each["data"]["alert_id"]) for each in events
            }
            assert len(told) == len(events)
            assert told >= {key for key, shape in after.items() if shape != before.get(key)}
            if dice.random() < 0.5 and after:
                decided = AlertChange(status="acknowledged", notes="mine", assignee="ada")
                numbers = [dice.choice([*after.values()])["id"]]
                await database.write(*change_alerts(ADA, f"{seed}", numbers, decided, now_ns()))


async def test_what_somebody_decides_before_an_alert_is_told_is_told_with_it(database: Database):
    async with world(database) as here:
        batch = [here.told_by("edge-1", alert(number)) for number in (1, 2)]
        stored = await here.ingest.store(batch)
        number = (await here.stored())["edge-1", f"{1:032x}"]["id"]
        decided = AlertChange(status="false_positive", notes="a test")
        await database.write(*change_alerts(ADA, "change", [number], decided, now_ns()))
        for each in stored:
            await here.ingest.announce(each)
        events = [msgspec.json.decode(each) for each in await here.watcher.take()]
        assert [event["type"] for event in events] == ["new_alert", "new_alert"]
        assert [event["data"] for event in events] == [*(await here.stored()).values()][::-1]


async def test_the_alerts_of_a_batch_are_told_in_the_order_in_which_they_were_opened(
    database: Database,
):
    now = now_ns()
    async with world(database) as here:
        known = here.told_by("edge-1", alert(2, opened_ns=now))
        await here.events([known])
        batch = [
            here.told_by("edge-1", alert(number, opened_ns=now + number - 2))
            for number in (3, 1, 2)
        ]
        events = await here.events(batch)
    assert [int(event["data"]["alert_id"], 16) for event in events] == [1, 2, 3]
    assert [event["type"] for event in events] == ["new_alert", "alert_updated", "new_alert"]


async def test_an_incident_is_told_as_it_is_now_and_then_however_often_it_grows(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("aggregator.ingest.announcing.INCIDENTS_EVERY_S", 0.3)
    monkeypatch.setattr("aggregator.ingest.announcing.INCIDENTS_AT_ONCE", 1)
    taking = ingest(database)
    with taking._announcer._live.watch("default", frozenset({"incident"})) as watcher:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(taking.tell_incidents())
            for seq in range(1, 7):
                for device_id in DEVICES:
                    told = arrival(alert(seq), seq, device_id=device_id)
                    await take(taking, [told])
            newest: dict[str, Any] = {}
            count = 0
            while {each["alerts"] for each in newest.values()} != {6} or len(newest) < 2:
                for event in map(msgspec.json.decode, await watcher.take()):
                    newest[event["data"]["device_id"]] = event["data"]
                    count += 1
            telling.cancel()
    rows = await find_incidents(database, "default", IncidentFilter(), limit=9)
    assert {row.device_id: msgspec.to_builtins(incident_shape(row)) for row in rows} == newest
    assert count < 12, "each is told with each of its alerts"
