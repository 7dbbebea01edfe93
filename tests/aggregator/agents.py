"""An agent on the real broker that believes the centre and obeys it, by the agent's own parts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from agent.evidence import Evidence
from agent.isolation import NOBODY
from agent.isolation.desired import DesiredIsolations
from agent.isolation.dry_run import DryRun
from agent.isolation.lease_file import LeaseFile
from agent.uplink.commands import Commands, Outcome, Trust
from agent.uplink.publisher import Address, Publisher
from agent.uplink.spool import Spool, new_boot
from contract.commands import AnyCommand, CollectEvidence, Isolate, Release
from contract.messages import CommandAck, Isolation, Presence
from runtime.config import BrokerConfig
from runtime.signatures import read_public_key
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import SECOND_NS, now_ns


class Agent:
    """What obeys, and what it was told."""

    def __init__(
        self, centre: Centre, folder: Path, device_id: str, key_pem: str | None = None
    ) -> None:
        self.told: list[AnyCommand] = []
        self.late_s = 0.0  # until it does as it is told
        self.refuses = False
        self.evidence = Evidence(folder / "evidence")
        self._isolations = DesiredIsolations(DryRun(), LeaseFile(folder))
        key = folder / "commands.pem"
        key.write_text(key_pem or centre.run("command-key").stdout)
        self.spool = Spool(folder / f"{device_id}.sqlite", 1 << 20, new_boot())
        self.commands = Commands(
            self.spool,
            Trust("default", device_id, read_public_key(key)),
            obey=self._obey,
            acknowledge=self._acknowledge,
        )
        self.publisher = Publisher(
            self.spool,
            Address("default", device_id),
            Presence(
                online=True, since_ns=1, boot=self.spool.boot, version="1", model_id="test-1"
            ),
            take_order=self.commands.take,
        )

    async def tell(self, *isolations: Isolation) -> None:
        """Cut off, and tell the centre."""
        await self.publisher.put([await self._isolations.isolate(each) for each in isolations])

    async def let_go(self, isolation_id: str) -> None:
        """Lift by itself, as a person on the box does, and tell the centre."""
        await self.publisher.put(await self._isolations.release(isolation_id, "on this box"))

    async def _acknowledge(self, ack: CommandAck) -> None:
        await self.publisher.put([ack])

    async def _obey(self, command: AnyCommand) -> Outcome:
        self.told.append(command)
        await asyncio.sleep(self.late_s)
        if self.refuses:
            return Outcome("failed", "the kernel says no")
        if isinstance(command, Isolate):
            await self.tell(_isolation(command))
            return Outcome("verified")
        if isinstance(command, Release):
            lifted = await self._isolations.release(command.isolation_id, command.reason)
            await self.publisher.put(lifted)
            return Outcome("verified" if lifted else "failed", "" if lifted else "no such")
        if isinstance(command, CollectEvidence):
            parts = self.evidence.parts(command.alert_id)
            await self.publisher.put(parts)
            return Outcome("applied" if parts else "failed", "" if parts else "not kept any more")
        return Outcome("applied")


def _isolation(command: Isolate) -> Isolation:
    return Isolation(
        isolation_id=command.isolation_id,
        alert_id=None,
        host=command.mac or NOBODY,
        isolated_mac=command.mac,
        isolated_port=command.bridge_port,
        part=command.part,
        reason=command.reason,
        enforcement="dry_run",
        state="applied",
        isolated_ns=now_ns(),
        expires_ns=now_ns() + command.duration_s * SECOND_NS,
    )


@asynccontextmanager
async def agent(
    centre: Centre, folder: Path, device_id: str, key_pem: str | None = None
) -> AsyncIterator[Agent]:
    """Run an agent for the length of the block; the centre knows of it when that begins.

    It believes that centre, or who has another key.
    """
    made = Agent(centre, folder, device_id, key_pem)
    broker = BrokerConfig(host="127.0.0.1", port=centre.broker_port)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.publisher.run(broker))
        await asyncio.to_thread(_until_online, centre, device_id)
        yield made
        running.cancel()
    made.spool.close()


async def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def _until_online(centre: Centre, device_id: str) -> None:
    deadline = time.monotonic() + 10
    with centre.client() as client:
        while client.get(f"/devices/{device_id}").json().get("status") != "online":
            assert time.monotonic() < deadline
            time.sleep(0.05)


class Codes(msgspec.Struct):
    """The codes of a user who has just enrolled an authenticator."""

    secret: str
    recovery: list[str]

    def take(self) -> str:
        """Return a code that was not used yet."""
        return self.recovery.pop()
