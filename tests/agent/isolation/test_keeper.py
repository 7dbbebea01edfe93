"""What the agent does with isolations that its policy and the centre ask for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from agent.config import PolicyConfig
from agent.exempt import Exempt
from agent.isolation import Isolator
from agent.isolation.dry_run import DryRun
from agent.isolation.guard import Guard
from agent.isolation.keeper import Keeper
from agent.policy import Policy
from contract.commands import Isolate
from contract.cuts import Part
from contract.messages import Alert, AnyMessage, Isolation
from tests.agent.isolation.lab import Lab
from tests.agent.isolation.test_desired import Stubborn
from tests.agent.messages import isolation

SECOND_NS = 1_000_000_000
ID = f"{1:032x}"
PAIR = Part(kind="pair", peer_mac="02:00:00:00:00:99")


async def nobody_exempt() -> Exempt:
    return Exempt()


class Kept:
    """A keeper, and what it told."""

    def __init__(self, isolator: Isolator, folder: Path) -> None:
        self.told: list[AnyMessage] = []
        self.policy = Policy(PolicyConfig(mode="enforce"), "pi-1", "model-1")
        guard = Guard(isolator, nobody_exempt)
        self.keeper = Keeper(guard, self.policy, folder, self._tell, self._on_engine)

    async def _tell(self, messages: Sequence[AnyMessage]) -> None:
        self.told += messages

    async def _on_engine(self, work: Callable[[], None]) -> None:
        work()

    def alerts(self) -> list[Alert]:
        return [message for message in self.told if isinstance(message, Alert)]

    @asynccontextmanager
    async def settling(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.keeper.settle())
            yield
            running.cancel()


def pair(seconds: int = 60, **changes: object) -> Isolation:
    now_ns = time.time_ns()
    times = {"isolated_ns": now_ns, "expires_ns": now_ns + seconds * SECOND_NS}
    return msgspec.structs.replace(isolation(), **({"part": PAIR, **times} | changes))


def order(seconds: int, **changes: object) -> Isolate:
    made = Isolate(isolation_id=ID, mac=isolation().isolated_mac, duration_s=seconds, reason="why")
    return msgspec.structs.replace(made, **changes)


async def test_who_prolongs_an_isolation_cuts_off_no_more_than_it_did(tmp_path, monkeypatch):
    kept, left = Kept(DryRun(), tmp_path), list[tuple[str, int]]()
    monkeypatch.setattr(kept.policy, "left_to_a_person", lambda *told: left.append(told))
    await kept.keeper.isolate(pair(60))
    assert left == []
    done, as_wanted = await kept.keeper.obey(order(3600))
    assert as_wanted
    assert left == [(ID, done.expires_ns)]
    assert (done.part, done.isolation_id) == (PAIR, ID)
    assert done.expires_ns > time.time_ns() + 3000 * SECOND_NS


async def test_the_centre_may_have_a_part_of_a_host_cut_off(tmp_path):
    isolator = DryRun()
    done, as_wanted = await Kept(isolator, tmp_path).keeper.obey(order(60, part=PAIR))
    assert (as_wanted, done.part, done.state) == (True, PAIR, "verified")
    (held,) = await isolator.read_back()
    assert held.part == PAIR


async def test_the_policy_hears_when_a_part_could_not_be_widened(tmp_path, monkeypatch):
    isolator = Stubborn()
    heard: list[Isolation] = []
    kept = Kept(isolator, tmp_path)
    monkeypatch.setattr(kept.policy, "failed", heard.append)
    first = await kept.keeper.isolate(pair())
    assert (first.part, heard) == (PAIR, [])
    isolator.refuses = True
    done = await kept.keeper.isolate(pair(120, part=None))
    assert (done.state, done.part) == ("verified", PAIR)
    assert heard == [done]


async def test_what_an_enforcer_lost_is_an_alert_until_it_holds_again(tmp_path, monkeypatch):
    monkeypatch.setattr("agent.isolation.keeper.SETTLE_S", 0.01)
    monkeypatch.setattr("agent.isolation.drift.HELD_NS", SECOND_NS // 10)
    isolator = DryRun()
    kept = Kept(isolator, tmp_path)
    await kept.keeper.isolate(pair())
    async with kept.settling(), asyncio.timeout(10):
        await isolator.clear()
        while len(kept.alerts()) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    opened, closed = kept.alerts()
    assert (opened.state, closed.state) == ("open", "closed")
    assert opened.alert_id == closed.alert_id
    assert [held.part for held in await isolator.read_back()] == [PAIR]


async def test_an_agent_that_ends_leaves_no_drift_open(tmp_path, monkeypatch):
    monkeypatch.setattr("agent.isolation.keeper.SETTLE_S", 0.01)
    isolator = Stubborn()
    kept = Kept(isolator, tmp_path)
    await kept.keeper.isolate(pair())
    isolator.forgets = True
    async with kept.settling(), asyncio.timeout(10):
        await isolator.apply([])
        while not kept.alerts():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert [alert.state for alert in kept.alerts()] == ["open", "closed"]


@pytest.mark.root
@pytest.mark.parametrize("part", ["rate", "pair"])
async def test_whoever_flushes_the_kernel_s_rules_the_part_is_back_and_an_alert_tells(
    built: Lab, tmp_path, monkeypatch, part
):
    monkeypatch.setattr("agent.isolation.keeper.SETTLE_S", 0.05)
    monkeypatch.setattr("agent.isolation.drift.HELD_NS", SECOND_NS // 10)
    isolator = built.isolator()
    kept = Kept(isolator, tmp_path)
    peer = built.victim.mac if part == "pair" else None
    wanted = pair(part=Part(kind=part, peer_mac=peer), isolated_mac=built.suspect.mac)
    assert (await kept.keeper.isolate(wanted)).state == "verified"
    async with kept.settling(), asyncio.timeout(20):
        built.on_box("nft", "flush", "ruleset")
        while len(kept.alerts()) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    (held,) = await isolator.read_back()
    assert held.part == wanted.part
    assert [alert.state for alert in kept.alerts()] == ["open", "closed"]
    assert any(isinstance(told, Isolation) and told.state == "verified" for told in kept.told)
    await isolator.clear()
