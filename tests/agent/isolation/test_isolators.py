"""What every enforcer promises, on a real bridge where it enforces anything."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from agent.isolation import Isolator, Lease
from agent.isolation.bridge_port import BridgePortIsolator
from agent.isolation.dry_run import DryRun
from tests.agent.isolation.lab import Lab

pytestmark = pytest.mark.root

SECOND_NS = 1_000_000_000


def fresh(name: str, built: Lab) -> Isolator:
    if name == "nft":
        return built.isolator()
    if name == "bridge_port":
        return BridgePortIsolator("br0", built.box)
    return DryRun()


@pytest.fixture(params=["dry_run", "nft", "bridge_port"])
async def isolator(request, built) -> AsyncIterator[Isolator]:
    made = fresh(request.param, built)
    yield made
    await made.clear()


def lease(built: Lab, seconds: float, number: int = 1, **changes) -> Lease:
    until_ns = time.time_ns() + int(seconds * SECOND_NS)
    what = {"mac": built.suspect.mac, "isolation_id": f"{number:032x}", **changes}
    return Lease(expires_ns=until_ns, **what)


def cut_off(isolator: Isolator) -> bool:
    return isolator.name != "dry_run"


def targets(leases: tuple[Lease, ...]) -> list[tuple[str | None, str | None, str | None]]:
    return [(found.mac, found.ip, found.bridge_port) for found in leases]


async def until_expired(isolator: Isolator, held: Lease) -> None:
    await asyncio.sleep(max(0.0, (held.expires_ns - time.time_ns()) / SECOND_NS))
    if isolator.name == "nft":
        await asyncio.sleep(1.1)  # its seconds are whole, rounded up
    else:
        await isolator.apply(())  # these cannot end a lease by themselves


async def test_a_host_is_reachable_then_isolated_then_free_by_the_end_of_its_lease(
    built, isolator
):
    assert built.reachable()
    held = lease(built, 1.5)
    await isolator.apply([held])
    assert targets(await isolator.read_back()) == targets((held,))
    assert built.reachable() != cut_off(isolator)
    await until_expired(isolator, held)
    assert await isolator.read_back() == ()
    assert built.reachable()


async def test_a_host_is_free_when_its_lease_is_taken_away(built, isolator):
    await isolator.apply([lease(built, 60)])
    assert built.reachable() != cut_off(isolator)
    await isolator.apply([])
    assert await isolator.read_back() == ()
    assert built.reachable()


async def test_applying_the_same_leases_again_changes_nothing(built, isolator):
    held = [lease(built, 60)]
    for _ in range(3):
        await isolator.apply(held)
    assert targets(await isolator.read_back()) == targets(tuple(held))
    assert built.reachable() != cut_off(isolator)


async def test_of_two_leases_on_one_host_the_longer_one_holds(built, isolator):
    short, long = lease(built, 1, number=1), lease(built, 60, number=2)
    await isolator.apply([short, long])
    assert {found.isolation_id for found in await isolator.read_back()} >= {long.isolation_id}
    await asyncio.sleep(1.2)
    await isolator.apply([short, long])
    assert built.reachable() != cut_off(isolator)


async def test_a_lease_that_has_ended_is_not_applied(built, isolator):
    await isolator.apply([lease(built, -1)])
    assert await isolator.read_back() == ()
    assert built.reachable()


async def test_clearing_frees_everybody(built, isolator):
    await isolator.apply([lease(built, 60)])
    await isolator.clear()
    assert await isolator.read_back() == ()
    assert built.reachable()


@pytest.mark.parametrize("name", ["nft", "bridge_port"])
async def test_a_restarted_agent_finds_what_the_one_before_had_cut_off(built, name):
    before, after = fresh(name, built), fresh(name, built)
    held = lease(built, 60)
    await before.apply([held])
    (found,) = await after.read_back()
    assert found.isolation_id == held.isolation_id
    assert abs(found.expires_ns - held.expires_ns) < 2 * SECOND_NS
    await after.apply([found])
    assert not built.reachable()
    await after.clear()
    assert built.reachable()
