"""What the agent does with isolations that its policy and the centre ask for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from agent.allowance import Begun, Cut
from agent.config import PolicyConfig
from agent.errors import IsolationError
from agent.exempt import Exempt
from agent.isolation import Isolator, Lease
from agent.isolation.dry_run import DryRun
from agent.isolation.guard import Guard
from agent.isolation.keeper import Keeper
from agent.policy import Policy
from contract.commands import Isolate
from contract.cuts import Part
from contract.messages import Alert, AnyMessage, Isolation
from tests.agent.isolation.desired_runs import Stubborn
from tests.agent.isolation.lab import Lab
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
        self.policy.allowance.memory.begun.append(Begun(ID, Cut(), "Scan", 0, 0))

    async def cut(self, wanted: Isolation) -> Isolation:
        """Have an isolation carried out that the policy decided."""
        (done,) = await self.keeper.carry_out(wanted)
        return done

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
    kept, left = Kept(DryRun(), tmp_path), list[Isolation]()
    monkeypatch.setattr(kept.policy, "left_to_a_person", left.append)
    await kept.cut(pair(60))
    assert left == []
    done, as_wanted = await kept.keeper.obey(order(3600))
    assert as_wanted
    assert left == [done]
    assert (done.part, done.isolation_id) == (PAIR, ID)
    assert done.expires_ns > time.time_ns() + 3000 * SECOND_NS


class Slow(DryRun):
    """Takes its time, so that something else comes in between."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.refusals = 0

    async def apply(self, desired: Sequence[Lease]) -> None:
        await self.may_go_on.wait()
        if self.refusals:
            self.refusals -= 1
            message = "the kernel says no"
            raise IsolationError(message)
        await super().apply(desired)


async def test_what_a_person_prolongs_no_widening_that_waits_already_shortens(tmp_path):
    isolator = Slow()
    kept = Kept(isolator, tmp_path)
    first = await kept.cut(pair(60))
    wider = msgspec.structs.replace(first, part=None)
    isolator.may_go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        prolonging = tasks.create_task(kept.keeper.obey(order(3600)))
        await asyncio.sleep(0)
        widening = tasks.create_task(kept.keeper.carry_out(wider))
        await asyncio.sleep(0)
        isolator.may_go_on.set()
    done, as_wanted = prolonging.result()
    assert (as_wanted, done.part, widening.result()) == (True, PAIR, [])
    assert await kept.keeper.carry_out(wider) == []
    (held,) = await isolator.read_back()
    assert held.part == PAIR
    assert held.expires_ns > time.time_ns() + 3000 * SECOND_NS


@pytest.mark.parametrize(("refusals", "part"), [(0, None), (1, PAIR)])
async def test_what_is_prolonged_is_what_became_of_a_widening_under_way(tmp_path, refusals, part):
    isolator = Slow()
    kept = Kept(isolator, tmp_path)
    first = await kept.cut(pair(60))
    isolator.may_go_on.clear()
    isolator.refusals = refusals
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(kept.keeper.carry_out(msgspec.structs.replace(first, part=None)))
        await asyncio.sleep(0)
        prolonging = tasks.create_task(kept.keeper.obey(order(3600)))
        await asyncio.sleep(0)
        isolator.may_go_on.set()
    done, as_wanted = prolonging.result()
    assert (as_wanted, done.part) == (True, part)


async def test_what_could_not_be_prolonged_is_widened_as_before(tmp_path):
    isolator = Stubborn()
    kept = Kept(isolator, tmp_path)
    first = await kept.cut(pair(60))
    isolator.refuses = True
    _, as_wanted = await kept.keeper.obey(order(3600))
    assert not as_wanted
    isolator.refuses = False
    wider = await kept.cut(msgspec.structs.replace(first, part=None))
    assert (wider.state, wider.part) == ("verified", None)


async def test_a_drift_names_the_model_that_was_installed_last(tmp_path, monkeypatch):
    monkeypatch.setattr("agent.isolation.keeper.SETTLE_S", 0.01)
    isolator = DryRun()
    kept = Kept(isolator, tmp_path)
    await kept.cut(pair())
    kept.policy.model_id = "model-2"
    async with kept.settling(), asyncio.timeout(10):
        await isolator.clear()
        while not kept.alerts():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert {alert.model_id for alert in kept.alerts()} == {"model-2"}


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
    first = await kept.cut(pair())
    assert (first.part, heard) == (PAIR, [])
    isolator.refuses = True
    done = await kept.cut(pair(120, part=None))
    assert (done.state, done.part) == ("verified", PAIR)
    assert heard == [done]


async def test_what_an_enforcer_lost_is_an_alert_until_it_holds_again(tmp_path, monkeypatch):
    monkeypatch.setattr("agent.isolation.keeper.SETTLE_S", 0.01)
    monkeypatch.setattr("agent.isolation.drift.HELD_NS", SECOND_NS // 10)
    isolator = DryRun()
    kept = Kept(isolator, tmp_path)
    await kept.cut(pair())
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
    await kept.cut(pair())
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
    assert (await kept.cut(wanted)).state == "verified"
    async with kept.settling(), asyncio.timeout(20):
        built.on_box("nft", "flush", "ruleset")
        while len(kept.alerts()) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    (held,) = await isolator.read_back()
    assert held.part == wanted.part
    assert [alert.state for alert in kept.alerts()] == ["open", "closed"]
    assert any(isinstance(told, Isolation) and told.state == "verified" for told in kept.told)
    await isolator.clear()
