"""Home Assistant is shown the devices through a real broker, and nothing stays when it is turned off."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import msgspec
import pytest

from aggregator.config import HomeAssistantConfig
from aggregator.home_assistant import bridge
from aggregator.home_assistant.bridge import FILE, HomeAssistant
from aggregator.home_assistant.entities import ENTITIES
from aggregator.store.alert_changes import AlertChange, change_alerts
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.database import Database, Statement
from aggregator.store.devices import save_device_health, save_presence
from aggregator.store.health import save_health
from aggregator.store.isolations import save_isolations
from aggregator.store.reported import Reported
from contract.messages import Alert
from runtime.config import BrokerConfig
from tests.aggregator.agents import until
from tests.aggregator.messages import (
    BOOT,
    SECOND_NS,
    alert,
    health,
    isolation,
    now_ns,
    presence,
)
from tests.aggregator.people import ADA
from tests.aggregator.taking import save
from tests.brokers import mosquitto

NODE = "edgewarden_default_pi"
STATE = "edgewarden/home_assistant/default/pi/state"
THERE = "edgewarden/home_assistant/default/pi/availability"
STATUS = "edgewarden/home_assistant/status"
OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
ACL = re.findall(r"```acl\n(.+?)```", OPERATIONS, flags=re.DOTALL)


class Shown:
    """What the broker has retained, as Home Assistant sees it."""

    def __init__(self) -> None:
        self.topics: dict[str, bytes] = {}

    async def watch(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            topic, payload = str(message.topic), bytes(message.payload)
            if payload:
                self.topics[topic] = payload
            else:
                self.topics.pop(topic, None)

    def state(self) -> dict[str, object]:
        return dict(json.loads(self.topics.get(STATE, b"{}")))


@asynccontextmanager
async def shown(port: int) -> AsyncIterator[Shown]:
    seen = Shown()
    async with (
        aiomqtt.Client("127.0.0.1", port, username="watcher") as client,
        asyncio.TaskGroup() as tasks,
    ):
        await client.subscribe("#", qos=1)
        watching = tasks.create_task(seen.watch(client))
        yield seen
        watching.cancel()


@asynccontextmanager
async def told(database: Database, folder: Path, port: int, **more: object) -> AsyncIterator[None]:
    """Run what tells for the length of the block."""
    bridge_ = HomeAssistant(database, settings(port, **more), folder)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bridge_.run())
        yield
        running.cancel()


def settings(port: int, **more: object) -> HomeAssistantConfig:
    broker = BrokerConfig(host="127.0.0.1", port=port, username="edgewarden")
    return msgspec.structs.replace(HomeAssistantConfig(enabled=True, broker=broker), **more)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "PERIOD_S", 0.05)
    monkeypatch.setattr(bridge, "MOST_WAIT_S", 0.2)


async def there(database: Database, device_id: str = "pi", organization: str = "default") -> None:
    """Let a device come."""
    come = Reported(organization, device_id, BOOT, now_ns(), presence())
    await database.write(save_presence([come], just_now=[True]))


async def alerts(database: Database, *alerts: Alert) -> None:
    await save(database, [Reported("default", "pi", BOOT, now_ns(), each) for each in alerts])


async def test_a_device_is_described_and_how_it_is(database: Database, tmp_path: Path):
    await there(database)
    await there(database, "other", "elsewhere")
    async with (
        mosquitto(tmp_path) as port,
        shown(port) as seen,
        told(database, tmp_path, port, url="https://centre.example"),
    ):
        await until(lambda: STATE in seen.topics)
        assert {topic for topic in seen.topics if topic.endswith("/config")} == {
            f"homeassistant/{component}/{NODE}/{name}/config"
            for name, (component, _) in ENTITIES.items()
        }
        described = json.loads(
            seen.topics[f"homeassistant/binary_sensor/{NODE}/under_attack/config"]
        )
        assert described["state_topic"] == STATE
        assert described["device"]["identifiers"] == [NODE]
        assert described["device"]["configuration_url"] == "https://centre.example"
        assert {each["topic"] for each in described["availability"]} == {STATUS, THERE}
        assert (seen.topics[STATUS], seen.topics[THERE]) == (b"online", b"online")
        ids = {json.loads(p)["unique_id"] for t, p in seen.topics.items() if t.endswith("/config")}
        assert len(ids) == len(ENTITIES)
        assert seen.state() == {
            "under_attack": False,
            "alerts_open": 0,
            "isolations_active": 0,
            "packets_per_s": None,
            "last_attack": {"type": "none", "severity": None, "host": None, "at": None},
        }


async def test_an_attack_is_shown_until_it_is_over_or_settled(database: Database, tmp_path: Path):
    await there(database)
    async with (
        mosquitto(tmp_path) as port,
        shown(port) as seen,
        told(database, tmp_path, port),
    ):
        await alerts(database, alert(1), alert(2, attack_type="DOS", opened_ns=now_ns() + 1))
        await database.write(
            save_isolations([Reported("default", "pi", BOOT, now_ns(), isolation(1))])
        )
        await until(lambda: seen.state().get("alerts_open") == 2)
        await until(lambda: seen.state()["isolations_active"] == 1)
        state = seen.state()
        assert state["under_attack"] is True
        assert isinstance(state["last_attack"], dict)
        assert state["last_attack"]["type"] == "DOS"
        await alerts(database, alert(1, state="closed"))
        await until(lambda: seen.state()["alerts_open"] == 1)
        wanted = AlertFilter(alert_ids=[alert(2).alert_id])
        (row,) = await find_alerts(database, "default", wanted, limit=1)
        change = AlertChange(status="false_positive")
        await database.write(*change_alerts(ADA, "c" * 32, [row.id], change, now_ns()))
        await until(lambda: seen.state()["under_attack"] is False)
        last = seen.state()["last_attack"]
        assert isinstance(last, dict)
        assert last["type"] == "Scan"


async def test_packets_a_second_are_those_of_the_last_minute_of_one_boot(
    database: Database, tmp_path: Path
):
    await there(database)
    first = msgspec.structs.replace(health(), frames=1000, sent_ns=now_ns())
    later = msgspec.structs.replace(first, frames=4000, sent_ns=first.sent_ns + 10 * SECOND_NS)
    before = msgspec.structs.replace(first, frames=10**9)
    told_ns = now_ns()
    reported = [
        Reported("default", "pi", "0" * 16, told_ns - 1, before),
        Reported("default", "pi", BOOT, told_ns, first),
        Reported("default", "pi", BOOT, told_ns + 1, later),
    ]
    await database.write(save_health(reported), save_device_health(reported))
    async with (
        mosquitto(tmp_path) as port,
        shown(port) as seen,
        told(database, tmp_path, port),
    ):
        await until(lambda: seen.state().get("packets_per_s") == 300.0)


async def test_a_device_that_is_deleted_is_taken_away(database: Database, tmp_path: Path):
    await there(database)
    await there(database, "pi-2")
    async with (
        mosquitto(tmp_path) as port,
        shown(port) as seen,
        told(database, tmp_path, port),
    ):
        await until(lambda: sum("pi-2" in topic for topic in seen.topics) == len(ENTITIES) + 2)
        gone = {"organization": "default", "device_id": "pi-2"}
        await database.write(Statement("delete_device", gone))
        await until(lambda: not any("pi-2" in topic for topic in seen.topics))
        assert STATE in seen.topics


async def test_turned_off_it_takes_everything_away_and_forgets(database: Database, tmp_path: Path):
    await there(database)
    async with mosquitto(tmp_path) as port, shown(port) as seen:
        async with told(database, tmp_path, port):
            await until(lambda: STATE in seen.topics)
        await until(lambda: seen.topics[STATUS] == b"offline")
        assert (tmp_path / FILE).exists()
        await HomeAssistant(database, settings(port, enabled=False), tmp_path).run()
        await until(lambda: not seen.topics)
        assert not (tmp_path / FILE).exists()


async def test_what_was_never_turned_on_connects_to_nobody(database: Database, tmp_path: Path):
    await HomeAssistant(database, HomeAssistantConfig(), tmp_path).run()
    await HomeAssistant(database, settings(1, enabled=False), tmp_path).run()


async def test_other_prefixes_leave_nothing_under_the_ones_before(
    database: Database, tmp_path: Path
):
    await there(database)
    async with mosquitto(tmp_path) as port, shown(port) as seen:
        async with told(database, tmp_path, port):
            await until(lambda: STATE in seen.topics)
        async with told(database, tmp_path, port, discovery_prefix="ha", state_prefix="ew"):
            await until(lambda: "ew/default/pi/state" in seen.topics)
            await until(lambda: not any(t.startswith("homeassistant/") for t in seen.topics))
            await until(lambda: STATE not in seen.topics)


async def test_a_broker_that_comes_back_empty_is_told_everything_again(
    database: Database, tmp_path: Path
):
    await there(database)
    async with (
        mosquitto(tmp_path) as port,
        told(database, tmp_path, port),
        shown(port) as seen,
    ):
        await until(lambda: STATE in seen.topics)
    async with told(database, tmp_path, port):
        await asyncio.sleep(0.1)
        async with mosquitto(tmp_path, port), shown(port) as seen:
            await until(lambda: STATE in seen.topics)


async def test_the_documented_rules_are_enough(database: Database, tmp_path: Path):
    (rules,) = ACL
    acl = tmp_path / "acl"
    acl.write_text(f"{rules}\nuser watcher\ntopic read #\n")
    await there(database)
    lines = ("user root", "allow_anonymous true", f"acl_file {acl}")
    async with (
        mosquitto(tmp_path, lines=lines) as port,
        shown(port) as seen,
        told(database, tmp_path, port),
    ):
        await until(lambda: STATE in seen.topics)
        await until(lambda: len(seen.topics) == len(ENTITIES) + 3)


async def test_rules_that_forbid_it_are_said(
    database: Database,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(bridge, "ANSWER_S", 0.3)
    acl = tmp_path / "acl"
    acl.write_text("user edgewarden\ntopic readwrite edgewarden/home_assistant/#\n")
    await there(database)
    lines = ("user root", "allow_anonymous true", f"acl_file {acl}")
    with caplog.at_level(logging.WARNING):
        async with mosquitto(tmp_path, lines=lines) as port, told(database, tmp_path, port):
            await until(lambda: "home_assistant_lost" in caplog.messages)
    lost = next(r for r in caplog.records if r.message == "home_assistant_lost")
    assert "keeps nothing on homeassistant/" in str(vars(lost)["why"])


async def test_a_file_that_cannot_be_read_is_told_and_ends_nothing(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / FILE).write_text("{")
    await HomeAssistant(database, HomeAssistantConfig(), tmp_path).run()
    assert "home_assistant_topics_lost" in caplog.messages


def test_it_is_not_turned_on_without_a_broker():
    with pytest.raises(msgspec.ValidationError, match="host"):
        msgspec.convert({"enabled": True}, HomeAssistantConfig)
