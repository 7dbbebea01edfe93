import msgspec
import pytest

from agent.isolation import BEFORE
from tests.agent.isolation.desired_runs import SECOND_NS, macs, wanted
from tests.agent.messages import NOW_NS


async def test_isolations_of_the_start_before_outlive_a_restart(desired, started, enforcer, clock):
    await desired.isolate(wanted(1, seconds=10))
    restarted = started()
    await restarted.isolate(wanted(2))
    assert await macs(enforcer) == ["02:00:00:00:00:01", "02:00:00:00:00:02"]
    clock.wait(11)
    await restarted.settle()
    assert await macs(enforcer) == ["02:00:00:00:00:02"]


@pytest.mark.parametrize("is_on_disk", [True, False])
async def test_what_an_agent_was_killed_before_it_told_is_told_once_by_the_next(
    desired, started, file, is_on_disk
):
    done = await desired.isolate(wanted(1))  # and nobody heard of it
    if not is_on_disk:
        file.take_out(lambda _: True)
    again = started()
    (told,) = await again.settle()
    assert (told.isolation_id, told.host, told.state) == (done.isolation_id, done.host, "verified")
    assert told == done or not is_on_disk
    assert await again.settle() == []


async def test_what_the_next_agent_finds_lost_is_not_told_as_held(desired, started, enforcer):
    await desired.isolate(wanted(1))
    enforcer.forgets = True
    await enforcer.clear()
    told = await started().settle()
    assert [each.state for each in told] == ["failed"]


async def test_an_isolation_of_the_start_before_can_be_lifted(desired, started, enforcer):
    await desired.isolate(wanted(1))
    restarted = started()
    (lifted,) = await restarted.release(wanted(1).isolation_id, "false alarm")
    assert (lifted.state, lifted.host) == ("lifted", "02:00:00:00:00:01")
    assert await enforcer.read_back() == ()


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
    assert [(each.host, each.state) for each in told] == [
        ("02:00:00:00:00:01", "verified"),
        ("02:00:00:00:00:02", "expired"),
    ]
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


async def test_a_reboot_into_the_past_gives_no_more_than_was_left_a_minute_before(
    desired, started, enforcer, clock
):
    await desired.isolate(wanted(1, seconds=600))
    for _ in range(9):
        clock.wait(50)
        await desired.settle()
    await enforcer.clear()
    clock.now_ns -= 450 * SECOND_NS  # as if it had not been kept
    clock.reboot()
    await started().settle()
    (lease,) = await enforcer.read_back()
    assert 150 <= (lease.expires_ns - clock.now_ns) / SECOND_NS <= 150 + 60


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


async def test_a_damaged_file_of_leases_is_told_and_what_the_kernel_holds_goes_on(
    desired, started, tmp_path, caplog
):
    await desired.isolate(wanted(1))
    (tmp_path / "leases.json").write_bytes(b"[nonsense")
    restarted = started()
    (told,) = await restarted.settle()
    assert (told.state, told.reason) == ("verified", BEFORE)
    assert "leases_unreadable" in [record.getMessage() for record in caplog.records]
    (lifted,) = await restarted.release(wanted(1).isolation_id, "false alarm")
    assert lifted.host == "02:00:00:00:00:01"


async def test_the_file_of_leases_is_for_the_agent_alone(desired, tmp_path):
    await desired.isolate(wanted(1))
    assert (tmp_path / "leases.json").stat().st_mode & 0o777 == 0o600


async def test_starts_that_hear_of_whole_seconds_make_a_lease_no_shorter(
    desired, started, enforcer, clock
):
    enforcer.rounds = True
    await desired.isolate(wanted(1, seconds=60))
    for _ in range(5):
        clock.wait(0.25)
        await started().settle()
    (held,) = enforcer._leases
    assert held.expires_ns == NOW_NS + 60 * SECOND_NS


async def test_what_ends_earlier_in_the_enforcer_than_on_disk_ends_as_the_enforcer_says(
    desired, started, enforcer
):
    await desired.isolate(wanted(1, seconds=60))
    (held,) = enforcer._leases
    enforcer._leases = (msgspec.structs.replace(held, expires_ns=NOW_NS + 30 * SECOND_NS),)
    await started().settle()
    (held,) = enforcer._leases
    assert held.expires_ns == NOW_NS + 30 * SECOND_NS
