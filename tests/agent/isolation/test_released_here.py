import pytest

from agent.isolation.on_this_box import released
from tests.agent.isolation.desired_runs import macs, wanted


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
