"""An attack that goes on: when what was decided about it is decided anew."""

import msgspec
import pytest

from agent.config import Mode
from agent.effects import Isolate
from contract.messages import Isolation
from tests.agent.policy_runs import SECOND, Run, opened, verdict


def going_on(run: Run, *times: int) -> list[Isolation]:
    """Let the attack go on at these seconds; return what was decided meanwhile."""
    effects = [effect for at in times for effect in run.strike(verdict(at))]
    told = [
        effect.isolation if isinstance(effect, Isolate) else effect.message for effect in effects
    ]
    return [message for message in told if isinstance(message, Isolation)]


def test_while_an_attack_goes_on_a_person_is_asked_again_more_and_more_seldom() -> None:
    run = Run(mode="suggest", isolation_s=600)
    asked = going_on(run, *range(0, 5000, 5))
    assert [each.state for each in asked] == ["suggested"] * 4
    since = [(each.isolated_ns - asked[0].isolated_ns) // SECOND for each in asked]
    assert since == [0, 605, 1810, 4215]
    assert len({each.isolation_id for each in asked}) == 4
    assert [each.detail for each in asked[:2]] == [
        "",
        "the attack goes on, and nobody has decided: asked 2 times",
    ]
    assert len({each.alert_id for each in asked}) == 1


def test_what_would_have_been_done_is_told_once() -> None:
    assert len(going_on(Run(mode="observe"), *range(0, 5000, 5))) == 1


@pytest.mark.parametrize("mode", ["observe", "suggest"])
def test_who_is_not_cut_off_yet_is_when_the_mode_allows_it(mode: Mode) -> None:
    run = Run(mode=mode)
    assert len(going_on(run, 0, 1, 2)) == 1
    run.policy.mode = "enforce"
    (applied,) = going_on(run, 3, 4, 5)
    assert applied.state == "applied"
    run.policy.mode = "suggest"
    assert going_on(run, 6, 7) == []  # it holds


def test_who_was_cut_off_by_hand_is_asked_about_again_when_that_has_ended() -> None:
    run = Run(mode="suggest", isolation_s=600)
    (asked,) = going_on(run, 0, 1)
    by_hand = msgspec.structs.replace(
        asked, isolation_id="f" * 32, expires_ns=asked.isolated_ns + 3600 * SECOND
    )
    run.policy.left_to_a_person(by_hand)
    assert going_on(run, *range(5, 3600, 5)) == []
    assert [each.state for each in going_on(run, *range(3600, 3640, 5))] == ["suggested"]


def test_what_is_over_a_budget_is_done_when_the_budget_allows_it() -> None:
    run = Run(mode="enforce", max_isolations_per_hour=1)
    opened(run, 1)
    asked = going_on(run, *range(10, 4500, 5))
    states = [each.state for each in asked]
    assert (states[0], "applied" in states) == ("suggested", True)
