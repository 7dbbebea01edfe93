from collections.abc import Sequence

import msgspec
import pytest

from agent.errors import IsolationError
from agent.isolation import Lease
from agent.isolation.desired import DesiredIsolations
from agent.isolation.dry_run import DryRun
from contract.messages import Isolation
from tests.agent.messages import MAC, NOW_NS, isolation

SECOND_NS = 1_000_000_000


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def __call__(self) -> int:
        return self.now_ns


class Stubborn(DryRun):
    """An enforcer that refuses, or forgets what it was told, when asked to."""

    refuses = False
    forgets = False
    clings = False

    async def apply(self, desired: Sequence[Lease]) -> None:
        if self.clings:
            return
        if self.refuses:
            message = "the kernel says no"
            raise IsolationError(message)
        await super().apply([] if self.forgets else desired)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def enforcer(clock) -> Stubborn:
    return Stubborn(clock)


@pytest.fixture
def desired(enforcer, clock) -> DesiredIsolations:
    return DesiredIsolations(enforcer, clock)


def wanted(number: int = 1, seconds: int = 60) -> Isolation:
    mac = f"02:00:00:00:00:{number:02x}"
    return msgspec.structs.replace(
        isolation(number),
        host=mac,
        isolated_mac=mac,
        state="applied",
        expires_ns=NOW_NS + seconds * SECOND_NS,
    )


async def macs(enforcer: DryRun) -> list[str]:
    return sorted(str(lease.mac) for lease in await enforcer.read_back())


async def test_an_isolation_is_reported_as_verified_only_after_it_was_read_back(desired, enforcer):
    assert (await desired.isolate(wanted(1))).state == "verified"
    enforcer.forgets = True
    failed = await desired.isolate(wanted(2))
    assert (failed.state, failed.detail) == ("failed", "not there when it was read back")


async def test_a_refused_isolation_is_failed_and_does_not_stand_in_the_way_of_others(
    desired, enforcer
):
    enforcer.refuses = True
    failed = await desired.isolate(wanted(1))
    assert (failed.state, failed.detail) == ("failed", "the kernel says no")
    enforcer.refuses = False
    assert (await desired.isolate(wanted(2))).state == "verified"
    assert await macs(enforcer) == ["02:00:00:00:00:02"]


async def test_an_isolation_that_could_not_be_prolonged_is_told_as_it_still_holds(
    desired, enforcer
):
    await desired.isolate(wanted(1, seconds=60))
    enforcer.refuses = True
    still = await desired.isolate(wanted(1, seconds=3600))
    assert (still.state, still.detail) == ("verified", "not prolonged: the kernel says no")
    assert still.expires_ns == wanted(1, seconds=60).expires_ns
    enforcer.refuses = False
    longer = await desired.isolate(wanted(1, seconds=3600))
    assert longer.expires_ns == wanted(1, seconds=3600).expires_ns
    assert longer.state == "verified"


async def test_a_released_isolation_is_reported_as_lifted_and_the_others_hold(desired, enforcer):
    for number in (1, 2):
        await desired.isolate(wanted(number))
    (lifted,) = await desired.release(wanted(1).isolation_id, "false alarm")
    assert (lifted.state, lifted.lifted_ns, lifted.detail) == ("lifted", NOW_NS, "false alarm")
    assert await macs(enforcer) == ["02:00:00:00:00:02"]
    assert await desired.release(wanted(1).isolation_id, "again") == []


async def test_an_isolation_that_could_not_be_lifted_is_told_and_can_be_tried_again(
    desired, enforcer
):
    await desired.isolate(wanted(1))
    enforcer.refuses = True
    (failed,) = await desired.release(wanted(1).isolation_id, "false alarm")
    assert (failed.state, failed.detail) == (
        "verified",
        "could not be lifted: the kernel says no",
    )
    enforcer.refuses = False
    (lifted,) = await desired.release(wanted(1).isolation_id, "false alarm")
    assert lifted.state == "lifted"


async def test_an_isolation_that_is_still_there_when_it_is_read_back_is_not_called_lifted(
    desired, enforcer
):
    await desired.isolate(wanted(1))
    enforcer.clings = True
    (still,) = await desired.release(wanted(1).isolation_id, "false alarm")
    assert still.state == "verified"
    assert still.detail == "could not be lifted: still there when it was read back"
    assert still.lifted_ns is None
    enforcer.clings = False
    (lifted,) = await desired.release(wanted(1).isolation_id, "false alarm")
    assert lifted.state == "lifted"
    assert await macs(enforcer) == []


async def test_an_isolation_is_reported_as_expired_once_when_its_time_is_over(desired, clock):
    await desired.isolate(wanted(1, seconds=10))
    await desired.isolate(wanted(2, seconds=60))
    assert await desired.expire() == []
    clock.now_ns += 11 * SECOND_NS
    assert [ended.isolation_id for ended in await desired.expire()] == [wanted(1).isolation_id]
    assert await desired.expire() == []


async def test_isolations_of_the_start_before_outlive_a_restart(desired, enforcer, clock):
    await desired.isolate(wanted(1, seconds=10))
    restarted = DesiredIsolations(enforcer, clock)
    await restarted.isolate(wanted(2))
    assert await macs(enforcer) == ["02:00:00:00:00:01", "02:00:00:00:00:02"]
    clock.now_ns += 11 * SECOND_NS
    await restarted.expire()
    assert await macs(enforcer) == ["02:00:00:00:00:02"]


async def test_an_isolation_of_the_start_before_can_be_lifted(desired, enforcer, clock):
    await desired.isolate(wanted(1))
    restarted = DesiredIsolations(enforcer, clock)
    (lifted,) = await restarted.release(wanted(1).isolation_id, "false alarm")
    assert (lifted.state, lifted.host) == ("lifted", "02:00:00:00:00:01")
    assert await enforcer.read_back() == ()


async def test_what_the_enforcer_lost_is_put_back_and_told(desired, enforcer, caplog):
    await desired.isolate(wanted(1))
    await enforcer.clear()
    await desired.expire()
    assert await macs(enforcer) == ["02:00:00:00:00:01"]
    assert [record.getMessage() for record in caplog.records] == ["isolation_slipped"]


async def test_there_is_a_bound_on_isolations(desired, monkeypatch):
    monkeypatch.setattr("agent.isolation.desired.MAX_ISOLATIONS", 2)
    states = [(await desired.isolate(wanted(number))).state for number in (1, 2, 3)]
    assert states == ["verified", "verified", "failed"]


async def test_a_dry_run_holds_a_lease_until_its_time_and_cuts_off_nobody(clock):
    dry = DryRun(clock)
    await dry.apply([Lease(isolation_id="1" * 32, mac=MAC, expires_ns=NOW_NS + 1)])
    assert len(await dry.read_back()) == 1
    clock.now_ns += 1
    assert await dry.read_back() == ()
