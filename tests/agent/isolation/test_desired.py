from collections.abc import Callable, Sequence

import msgspec
import pytest

from agent.errors import IsolationError
from agent.exempt import Exempt, Exemption
from agent.isolation import Lease
from agent.isolation.desired import DesiredIsolations
from agent.isolation.dry_run import DryRun
from agent.isolation.guard import Guard
from agent.isolation.lease_file import LeaseFile
from agent.isolation.on_this_box import released
from contract.messages import Isolation
from tests.agent.messages import MAC, NOW_NS, isolation

SECOND_NS = 1_000_000_000


class Clock:
    """Clocks that stand still until time passes; the one of the wall can be set."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS
        self.passed_ns = 0
        self.boots = 0

    def __call__(self) -> int:
        return self.now_ns

    def passed(self) -> int:
        return self.passed_ns

    def boot(self) -> str:
        return str(self.boots)

    def reboot(self) -> None:
        """The wall's clock goes on, or is set; the other one begins anew."""
        self.passed_ns = 3 * SECOND_NS
        self.boots += 1

    def wait(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND_NS)
        self.passed_ns += int(seconds * SECOND_NS)


class Stubborn(DryRun):
    """An enforcer that refuses, or forgets what it was told, when asked to."""

    refuses = False
    forgets = False
    is_mute = False
    clings = False
    outlasts = False
    cannot_find = ""

    async def read_back(self) -> tuple[Lease, ...]:
        if self.is_mute:
            message = "no answer in 10 s"
            raise IsolationError(message)
        return self._leases if self.outlasts else await super().read_back()

    async def apply(self, desired: Sequence[Lease]) -> None:
        if self.clings:
            return
        if self.refuses:
            message = "the kernel says no"
            raise IsolationError(message)
        found = [lease for lease in desired if lease.mac != self.cannot_find]
        await super().apply([] if self.forgets else found)
        if len(found) < len(desired):
            message = f"not learnt: {self.cannot_find}"
            raise IsolationError(message)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def enforcer(clock) -> Stubborn:
    return Stubborn(clock)


@pytest.fixture
def file(tmp_path) -> LeaseFile:
    return LeaseFile(tmp_path)


@pytest.fixture
def started(enforcer, clock, file) -> Callable[[], DesiredIsolations]:
    """Start the agent, again if it ran before."""
    return lambda: DesiredIsolations(enforcer, file, clock, clock.passed, clock.boot)


@pytest.fixture
def desired(started: Callable[[], DesiredIsolations]) -> DesiredIsolations:
    return started()


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


async def test_what_was_told_as_failed_is_taken_back_if_it_holds_all_the_same(desired, enforcer):
    assert await desired.settle() == []
    enforcer.is_mute = True
    failed = await desired.isolate(wanted(1))
    assert (failed.state, failed.detail) == ("failed", "no answer in 10 s")
    enforcer.is_mute = False
    assert await macs(enforcer) == ["02:00:00:00:00:01"]
    await desired.settle()
    assert await macs(enforcer) == []


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
    assert await desired.settle() == []
    clock.wait(11)
    assert [ended.isolation_id for ended in await desired.settle()] == [wanted(1).isolation_id]
    assert await desired.settle() == []


async def test_who_did_not_hear_that_an_isolation_ended_is_told_again(desired, enforcer, clock):
    """Not every enforcer ends a lease by itself."""
    await desired.isolate(wanted(1, seconds=10))
    clock.wait(11)
    enforcer.refuses = True
    assert [ended.state for ended in await desired.settle()] == ["expired"]
    assert enforcer._leases != ()
    enforcer.refuses = False
    assert await desired.settle() == []
    assert enforcer._leases == ()


async def test_an_isolation_that_does_not_end_by_itself_is_expired_when_it_is_let_go(
    desired, enforcer, clock, caplog
):
    await desired.isolate(wanted())
    enforcer.outlasts = enforcer.refuses = True
    clock.wait(61)
    (told,) = await desired.settle()
    assert told.state == "verified"
    assert told.detail == "its time is over, and it could not be ended: the kernel says no"
    assert await desired.settle() == []
    assert caplog.messages.count("reconcile_failed") == 1
    enforcer.is_mute = True
    assert await desired.settle() == []
    enforcer.is_mute = enforcer.refuses = False
    assert [told.state for told in await desired.settle()] == ["expired"]
    assert await desired.settle() == []


async def test_one_that_cannot_be_found_again_keeps_no_other_from_being_isolated_or_let_go(
    desired, enforcer, clock, caplog
):
    lost = wanted(1, seconds=600)
    await desired.isolate(lost)
    enforcer.cannot_find = lost.host
    await enforcer.apply([])
    assert [(told.host, told.state) for told in await desired.settle()] == [(lost.host, "failed")]
    other = await desired.isolate(wanted(2))
    assert other.state == "verified"
    assert await macs(enforcer) == [other.host]
    assert await desired.settle() == []
    clock.wait(61)
    assert [(told.host, told.state) for told in await desired.settle()] == [
        (other.host, "expired")
    ]
    assert await macs(enforcer) == []
    enforcer.cannot_find = ""
    (back,) = await desired.settle()
    assert (back.host, back.state) == (lost.host, "verified")
    assert caplog.messages.count("isolation_slipped") == 1


async def test_isolations_of_the_start_before_outlive_a_restart(desired, started, enforcer, clock):
    await desired.isolate(wanted(1, seconds=10))
    restarted = started()
    await restarted.isolate(wanted(2))
    assert await macs(enforcer) == ["02:00:00:00:00:01", "02:00:00:00:00:02"]
    clock.wait(11)
    await restarted.settle()
    assert await macs(enforcer) == ["02:00:00:00:00:02"]


async def test_an_isolation_of_the_start_before_can_be_lifted(desired, started, enforcer):
    await desired.isolate(wanted(1))
    restarted = started()
    (lifted,) = await restarted.release(wanted(1).isolation_id, "false alarm")
    assert (lifted.state, lifted.host) == ("lifted", "02:00:00:00:00:01")
    assert await enforcer.read_back() == ()


async def test_what_the_enforcer_lost_is_put_back_and_told(desired, enforcer, caplog):
    await desired.isolate(wanted(1))
    await enforcer.clear()
    (told,) = await desired.settle()
    assert (told.state, told.detail) == (
        "verified",
        "was gone from the enforcer, and was put back",
    )
    assert await macs(enforcer) == ["02:00:00:00:00:01"]
    assert [record.getMessage() for record in caplog.records] == ["isolation_slipped"]
    assert await desired.settle() == []


async def test_what_cannot_be_put_back_is_told_as_failed(desired, enforcer):
    await desired.isolate(wanted(1))
    await enforcer.clear()
    enforcer.forgets = True
    (told,) = await desired.settle()
    assert (told.state, told.detail) == ("failed", "lost, and not to be put back")


@pytest.mark.parametrize("step_s", [-86_400, 86_400])
async def test_setting_the_clock_neither_prolongs_nor_shortens_an_isolation(
    desired, enforcer, clock, step_s
):
    await desired.isolate(wanted(1, seconds=60))
    clock.now_ns += step_s * SECOND_NS
    await desired.isolate(wanted(2, seconds=60 + step_s))
    assert "02:00:00:00:00:01" in await macs(enforcer)
    left = {lease.mac: lease.expires_ns - clock.now_ns for lease in await enforcer.read_back()}
    assert left["02:00:00:00:00:01"] == 60 * SECOND_NS
    clock.wait(60)
    assert "expired" in {ended.state for ended in await desired.settle()}
    assert await macs(enforcer) == []


async def test_after_a_reboot_only_what_remains_is_armed_again(desired, started, enforcer, clock):
    await desired.isolate(wanted(1, seconds=60))
    await desired.isolate(wanted(2, seconds=20))
    await enforcer.clear()
    clock.now_ns += 25 * SECOND_NS
    clock.reboot()
    told = await started().settle()
    assert [(each.host, each.state) for each in told] == [("02:00:00:00:00:02", "expired")]
    (lease,) = await enforcer.read_back()
    assert lease.mac == "02:00:00:00:00:01"
    assert lease.expires_ns - clock.now_ns == 35 * SECOND_NS


async def test_a_reboot_into_the_past_gives_no_more_time_than_was_given(
    desired, started, enforcer, clock
):
    await desired.isolate(wanted(1, seconds=60))
    await enforcer.clear()
    clock.now_ns -= 30 * 86_400 * SECOND_NS
    clock.reboot()
    await started().settle()
    (lease,) = await enforcer.read_back()
    assert lease.expires_ns - clock.now_ns == 60 * SECOND_NS


async def test_a_restart_without_a_reboot_arms_nothing_again_whatever_the_clock_says(
    desired, started, enforcer, clock
):
    await desired.isolate(wanted(1, seconds=60))
    await enforcer.clear()
    clock.wait(61)
    clock.now_ns -= 3600 * SECOND_NS
    (ended,) = await started().settle()
    assert ended.state == "expired"
    assert await enforcer.read_back() == ()


async def test_what_was_lifted_is_not_armed_again_after_a_reboot(desired, started, enforcer):
    await desired.isolate(wanted(1))
    await desired.release(wanted(1).isolation_id, "false alarm")
    assert await started().settle() == []
    assert await enforcer.read_back() == ()


@pytest.mark.parametrize("target", ["02:00:00:00:00:01", None])
async def test_who_was_released_on_the_box_stays_free_and_the_centre_is_told(
    desired, enforcer, file, target, capsys
):
    await desired.isolate(wanted(1))
    assert await released(file, enforcer, target) == 0
    assert capsys.readouterr().err == "edgewarden-agent: let go: 02:00:00:00:00:01\n"
    (told,) = await desired.settle()
    assert (told.state, told.detail) == ("lifted", "released on this box")
    assert await desired.settle() == []
    assert await enforcer.read_back() == ()


async def test_releasing_one_on_the_box_leaves_the_others(desired, enforcer, file, capsys):
    for number in (1, 2):
        await desired.isolate(wanted(number))
    assert await released(file, enforcer, "02:00:00:00:00:01") == 0
    await desired.settle()
    assert await macs(enforcer) == ["02:00:00:00:00:02"]
    assert await released(file, enforcer, "02:00:00:00:00:01") == 1
    assert "02:00:00:00:00:01 is not isolated" in capsys.readouterr().err


async def test_releasing_everybody_says_how_many_they_were_or_that_there_was_nobody(
    desired, enforcer, file, capsys
):
    assert await released(file, enforcer, None) == 0
    assert capsys.readouterr().err == "edgewarden-agent: nobody was isolated\n"
    for number in range(1, 23):
        await desired.isolate(wanted(number))
    assert await released(file, enforcer, None) == 0
    assert capsys.readouterr().err.endswith("and 2 more\n")
    assert await enforcer.read_back() == ()


async def test_who_was_released_while_no_agent_ran_is_not_isolated_by_the_next_one(
    desired, started, enforcer, file
):
    await desired.isolate(wanted(1))
    await released(file, enforcer, None)
    assert await started().settle() == []
    assert await enforcer.read_back() == ()


async def test_an_isolation_during_a_release_on_the_box_does_not_bring_the_released_back(
    desired, enforcer, file
):
    await desired.isolate(wanted(1))
    file.take_out(lambda each: each.host == "02:00:00:00:00:01")
    await desired.isolate(wanted(2))
    await desired.settle()
    assert await macs(enforcer) == ["02:00:00:00:00:02"]


async def test_a_damaged_file_of_leases_is_told_and_what_the_kernel_holds_goes_on(
    desired, started, tmp_path, caplog
):
    await desired.isolate(wanted(1))
    (tmp_path / "leases.json").write_bytes(b"[nonsense")
    restarted = started()
    assert await restarted.settle() == []
    assert "leases_unreadable" in [record.getMessage() for record in caplog.records]
    (lifted,) = await restarted.release(wanted(1).isolation_id, "false alarm")
    assert lifted.host == "02:00:00:00:00:01"


async def test_the_file_of_leases_is_for_the_agent_alone(desired, tmp_path):
    await desired.isolate(wanted(1))
    assert (tmp_path / "leases.json").stat().st_mode & 0o777 == 0o600


class Neighbourhood:
    """Who is exempt, as it changes."""

    def __init__(self) -> None:
        self.exempt = [Exemption(who="the gateway", mac="02:00:00:00:00:01", home="lan1")]

    async def look(self) -> Exempt:
        return Exempt(self.exempt)


async def test_an_exempt_host_is_refused_whoever_asks_and_others_are_not(enforcer, clock, file):
    guard = Guard(enforcer, Neighbourhood().look)
    desired = DesiredIsolations(guard, file, clock, clock.passed)
    refused = await desired.isolate(wanted(1))
    assert (refused.state, refused.detail) == ("failed", "refused: it is the gateway")
    assert (await desired.isolate(wanted(2))).state == "verified"
    assert await macs(enforcer) == ["02:00:00:00:00:02"]
    assert await desired.settle() == []


async def test_who_becomes_exempt_while_isolated_is_let_go(enforcer, clock, file):
    around = Neighbourhood()
    guard = Guard(enforcer, around.look)
    desired = DesiredIsolations(guard, file, clock, clock.passed)
    await desired.isolate(wanted(2))
    around.exempt.append(Exemption(who="a DNS server", mac="02:00:00:00:00:02"))
    await guard.refresh()
    (told,) = await desired.settle()
    assert (told.state, told.detail) == ("lifted", "it is a DNS server")
    assert await macs(enforcer) == []
    assert desired.slipped == []  # it is no drift


async def test_nobody_is_isolated_while_it_is_not_known_who_is_exempt(enforcer, clock, file):
    async def blind() -> Exempt:
        message = "ip: No such file or directory"
        raise IsolationError(message)

    desired = DesiredIsolations(Guard(enforcer, blind), file, clock, clock.passed)
    failed = await desired.isolate(wanted(2))
    assert (failed.state, failed.detail) == ("failed", "ip: No such file or directory")
    assert await macs(enforcer) == []


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
