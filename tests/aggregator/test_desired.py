"""Devices are told what they are to be until they answer, and who is something else is shown."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest_asyncio

from aggregator.commands.commander import Commander
from aggregator.commands.convergence import Convergence
from aggregator.commands.signing import load_signer
from aggregator.config import CommandsConfig
from aggregator.live import LiveFeed
from aggregator.store.commands import CommandFilter, CommandRow, find_commands, move_commands
from aggregator.store.database import Database
from aggregator.store.desired import RECENT_NS, SILENT_NS, Desired, Mode, set_desired
from aggregator.store.devices import (
    DRIFT_NS,
    find_devices,
    save_device_health,
    save_presence,
)
from aggregator.store.reported import Reported
from contract.commands import SetMode
from contract.messages import CommandAck, CommandState
from tests.aggregator.agents import agent, until
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import BOOT, health, now_ns, presence

VALID_S = 60


class Fleet:
    """One agent by its words, and the centre's look at it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.now_ns = now_ns()
        config = CommandsConfig(valid_s=VALID_S)
        self.commander = Commander(database, LiveFeed(), load_signer(folder), config)
        self._convergence = Convergence(database, self.commander)

    async def there(self, *, online: bool = True) -> None:
        told = Reported("default", "pi", BOOT, self.now_ns, presence(online=online))
        await self.database.write(save_presence([told], just_now=[True]))

    async def says(self, model_id: str, mode: Mode = "observe") -> None:
        told = msgspec.structs.replace(health(), model_id=model_id, mode=mode)
        await self.database.write(
            save_device_health([Reported("default", "pi", BOOT, self.now_ns, told)])
        )

    async def answers(self, state: CommandState) -> None:
        (row, *_) = await self.commands()
        ack = CommandAck(command_id=row.command_id, state=state, at_ns=1)
        await self.database.write(
            move_commands([Reported("default", "pi", BOOT, self.now_ns, ack)])
        )

    async def wish(self, model_id: str | None, mode: Mode | None = None) -> None:
        wanted = Desired(model_id=model_id, sha256=None, mode=mode)
        await self.database.write(set_desired("default", "pi", wanted, (7, "ada"), self.now_ns))

    async def look(self, later_ns: int = 0) -> list[str]:
        """Look at the fleet, and return the kinds of all commands so far, newest first."""
        await self._convergence.look(self.now_ns + later_ns)
        return [row.kind for row in await self.commands()]

    async def commands(self) -> list[CommandRow]:
        return await find_commands(self.database, "default", CommandFilter(device_id="pi"))

    async def drifting(self, later_ns: int) -> bool:
        rows = await find_devices(self.database, "default", now_ns=self.now_ns + later_ns)
        return rows[0].drifting_ns is not None


@pytest_asyncio.fixture
async def fleet(database: Database, tmp_path: Path) -> AsyncIterator[Fleet]:
    made = Fleet(database, tmp_path)
    await made.there()
    await made.says("old")
    yield made


async def test_an_agent_is_told_once_of_its_model_and_again_only_when_it_kept_silent(fleet: Fleet):
    await fleet.wish("new")
    assert await fleet.look() == ["install_model"]
    assert await fleet.look() == ["install_model"]
    await fleet.answers("received")
    for later_ns, commands in ((SILENT_NS - 1, 1), (2, 2)):
        fleet.now_ns += later_ns
        await fleet.there()
        assert await fleet.look() == ["install_model"] * commands
    await fleet.answers("expired")
    assert await fleet.look() == ["install_model"] * 3
    answers: tuple[CommandState, ...] = ("applied", "failed")  # of which people have to make sense
    for said in answers:
        await fleet.answers(said)
        assert await fleet.look() == ["install_model"] * 3
    (row, *_) = await fleet.commands()
    assert (row.username, row.user_id) == ("ada", 7)


async def test_an_agent_that_is_away_is_told_when_it_is_back(fleet: Fleet):
    await fleet.there(online=False)
    await fleet.wish("new", "suggest")
    assert await fleet.look() == []
    await fleet.there()
    assert sorted(await fleet.look()) == ["install_model", "set_mode"]


async def test_a_mode_is_said_again_after_a_restart_and_not_all_the_time(fleet: Fleet):
    await fleet.wish(None, "suggest")
    assert await fleet.look() == ["set_mode"]
    await fleet.answers("applied")
    assert await fleet.look() == ["set_mode"]  # its next health may be under way
    await fleet.says("old", "suggest")
    assert await fleet.look(RECENT_NS + 1) == ["set_mode"]
    await fleet.says("old", "observe")
    assert await fleet.look(RECENT_NS + 1_000_000_000) == ["set_mode"] * 2
    await fleet.answers("failed")
    fleet.now_ns += 3 * RECENT_NS
    await fleet.there()
    await fleet.says("old", "observe")
    assert await fleet.look() == ["set_mode"] * 2


async def test_drift_is_shown_after_minutes_and_until_it_is_over(fleet: Fleet):
    await fleet.wish("new")
    await fleet.look()
    assert not await fleet.drifting(DRIFT_NS - 1)
    assert await fleet.drifting(DRIFT_NS)
    await fleet.look(DRIFT_NS)
    assert await fleet.drifting(DRIFT_NS)  # since the first look, not the last
    await fleet.says("new")
    await fleet.look(DRIFT_NS)
    assert not await fleet.drifting(3 * DRIFT_NS)


async def test_what_is_wished_reaches_the_agent_and_the_api_shows_both(
    centre: Centre, tmp_path: Path
):
    device_id = f"wished-{secrets.token_hex(4)}"
    async with agent(centre, tmp_path, device_id) as one, centre.async_client("admin") as admin:
        answer = await admin.put(f"/devices/{device_id}/desired", json={"mode": "suggest"})
        assert answer.status_code == httpx.codes.OK, answer.text
        assert answer.json()["desired"] == {"model_id": None, "mode": "suggest"}
        assert answer.json()["set_by"] == "admin"
        await until(lambda: one.told)
        assert one.told == [SetMode(mode="suggest")]
        await one.publisher.put([msgspec.structs.replace(health(), mode="observe")])
        path = f"/devices/{device_id}/desired"
        while (shown := (await admin.get(path)).json())["reported"]["mode"] is None:
            pass
        assert shown["differences"] == [
            {"what": "mode", "desired": "suggest", "reported": "observe"}
        ]
        assert shown["drifting_since"] is None
        other = {"command": "set_mode", "parameters": {"mode": "enforce"}}
        refused = await admin.post(f"/devices/{device_id}/commands", json=other)
        assert (refused.status_code, "is to be in mode suggest" in refused.text) == (409, True)
        install = {"command": "install_model", "parameters": {"model_id": "x"}}
        refused = await admin.post(f"/devices/{device_id}/commands", json=install)
        assert (refused.status_code, "/desired" in refused.text) == (400, True)
