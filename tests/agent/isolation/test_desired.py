from agent.isolation import Lease
from agent.isolation.dry_run import DryRun
from tests.agent.isolation.desired_runs import macs, wanted
from tests.agent.messages import MAC, NOW_NS


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


async def test_what_ends_while_the_enforcer_is_asked_is_not_taken_for_lost(
    desired, enforcer, clock, caplog
):
    await desired.isolate(wanted(1, seconds=10))
    clock.wait(9.99)
    enforcer.is_slow = lambda: clock.wait(0.1)
    assert await desired.settle() == []
    assert desired.slipped == []
    (over,) = await desired.settle()
    assert over.state == "expired"
    assert caplog.messages == []


async def test_what_cannot_be_put_back_is_told_as_failed(desired, enforcer):
    await desired.isolate(wanted(1))
    await enforcer.clear()
    enforcer.forgets = True
    (told,) = await desired.settle()
    assert (told.state, told.detail) == ("failed", "lost, and not to be put back")


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
