"""How far an isolation may go: modes, budgets, repeat offenders, grace."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.allowance import MAX_REMEMBERED, OFFENCE_NS, Allowance, Memory
from agent.config import HostGroup, PolicyConfig
from agent.exempt import ON_LINK, Exempt, Exemption
from runtime.errors import ConfigError
from tests.agent.builders import Box
from tests.agent.conversations import lasting, learned
from tests.agent.messages import MAC, NOW_NS, alert
from tests.agent.policy_runs import SECOND, Run, modes, opened, verdict

HOUR = 3600
DAY = 24 * HOUR


class Judge:
    """An allowance, asked about one alert after the other."""

    def __init__(self, **settings: Any) -> None:
        self.allowance = Allowance(PolicyConfig(**{"mode": "enforce", **settings}))
        self.allowance.hosts_known = 100
        self.asked = 0

    def ask(self, at: int = 0, *, shared_mac: bool = False, **changes: Any) -> Any:
        """Return what is allowed `at` seconds after the start."""
        self.asked += 1
        asked = msgspec.structs.replace(alert(), **changes)
        now_ns = NOW_NS + at * SECOND
        return self.allowance.decide(asked, f"{self.asked:032x}", now_ns, shared_mac=shared_mac)

    def lift(self, number: int, at: int) -> None:
        """A person lifts what was asked for as the number-th."""
        self.allowance.lifted(f"{number:032x}", NOW_NS + at * SECOND)


def host(number: int) -> dict[str, Any]:
    mac = f"02:00:00:00:01:{number:02x}"
    return {"host": mac, "src_mac": mac, "src_ip": f"10.0.1.{number}"}


# --- what a cut takes away


def test_what_would_be_lost_is_told_with_every_isolation_whatever_its_mode() -> None:
    for mode in ("observe", "suggest", "enforce"):
        run = Run(mode=mode)
        run.policy.allowance.peers = learned(lasting(Box(7), Box(50)))
        run.strike(*(verdict(at, host=Box(7).mac) for at in (0, 1)))
        (isolation,) = run.isolations()
        assert [(loss.peer_ip, loss.port) for loss in isolation.losses] == [("192.168.1.50", 502)]


def test_a_critical_peer_turns_an_isolation_into_a_question() -> None:
    judge = Judge(critical=["192.168.1.50 tcp/502"])
    judge.allowance.peers = learned(lasting(Box(7), Box(50)), lasting(Box(8), Box(50), port=80))
    asked = judge.ask(host=Box(7).mac, src_mac=Box(7).mac)
    assert asked.state == "suggested"
    assert asked.detail == "it takes away what is critical: 192.168.1.50 tcp/502"
    assert judge.ask(host=Box(8).mac, src_mac=Box(8).mac).state == "applied"


def test_who_is_critical_is_not_cut_off_unasked_even_if_it_never_spoke() -> None:
    judge = Judge(critical=[MAC, "10.0.1.3"])
    assert judge.ask().state == "suggested"
    assert judge.ask(**host(3)).state == "suggested"
    assert judge.ask(**host(4)).state == "applied"


def test_who_serves_many_hosts_is_not_cut_off_unasked() -> None:
    judge = Judge(most_clients=2)
    judge.allowance.peers = learned(
        *(lasting(Box(number), Box(50)) for number in (100, 101, 102)),
        *(lasting(Box(number), Box(51)) for number in (100, 101)),
    )
    many, few = (judge.ask(host=Box(n).mac, src_mac=Box(n).mac) for n in (50, 51))
    assert (many.state, many.detail) == ("suggested", "3 hosts use its services")
    assert few.state == "applied"


def test_where_nobody_is_cut_off_the_question_is_told_too() -> None:
    judge = Judge(mode="observe", most_clients=1)
    judge.allowance.peers = learned(*(lasting(Box(number), Box(7)) for number in (100, 101)))
    asked = judge.ask()
    assert (asked.state, asked.detail) == (
        "simulated",
        "would have asked: 2 hosts use its services",
    )


def test_an_isolation_names_the_group_whose_mode_counted() -> None:
    groups = {
        "cameras": HostGroup(hosts=["10.0.1.0/28"], mode="enforce"),
        "lab": HostGroup(hosts=["10.0.1.5"], mode="suggest"),
    }
    judge = Judge(groups=groups)
    found = [judge.ask(**host(number)).host_group for number in (4, 5, 99)]
    assert found == ["cameras", "lab", None]


# --- modes


def test_a_class_can_have_a_mode_of_its_own() -> None:
    judge = Judge(mode="observe", modes={"DOS": "enforce", "Scan": "suggest"})
    states = [judge.ask(attack_type=attack).state for attack in ("DOS", "Scan", "MITM")]
    assert states == ["applied", "suggested", "simulated"]


def test_a_group_of_hosts_can_have_a_mode_of_its_own() -> None:
    groups = {
        "cameras": HostGroup(hosts=["10.0.1.0/28", "02:00:00:00:01:63"], mode="enforce"),
        "lab": HostGroup(hosts=["10.0.1.99"], mode="suggest"),
    }
    judge = Judge(mode="observe", groups=groups)
    states = [judge.ask(**host(number)).state for number in (5, 40)]
    assert states == ["applied", "simulated"]
    assert judge.ask(**host(99)).state == "suggested"  # in both: the more careful one


def test_of_class_and_group_the_more_careful_counts() -> None:
    groups = {"cameras": HostGroup(hosts=["10.0.1.0/24"], mode="enforce")}
    judge = Judge(modes={"Scan": "suggest"}, groups=groups)
    assert judge.ask(**host(1)).state == "suggested"
    assert judge.ask(**host(2), attack_type="DOS").state == "applied"


def test_the_group_of_a_router_is_not_that_of_the_hosts_behind_it() -> None:
    groups = {"routers": HostGroup(hosts=[MAC], mode="enforce")}
    judge = Judge(mode="observe", groups=groups)
    assert judge.ask(host="203.0.113.5", src_ip="203.0.113.5").state == "simulated"


def test_a_mode_that_a_person_sets_now_bounds_what_the_settings_allow() -> None:
    judge = Judge(mode="observe", modes={"DOS": "enforce", "Scan": "suggest"})
    judge.allowance.mode = "suggest"
    states = [judge.ask(attack_type=attack).state for attack in ("DOS", "Scan", "MITM")]
    assert states == ["suggested"] * 3
    judge.allowance.mode = "observe"
    assert judge.ask(attack_type="DOS").state == "simulated"
    judge.allowance.mode = "enforce"
    assert judge.ask(attack_type="Scan").state == "suggested"


def test_a_group_that_names_nonsense_is_refused_by_name() -> None:
    groups = {"cameras": HostGroup(hosts=["kitchen"], mode="enforce")}
    with pytest.raises(ConfigError, match=r"policy\.groups\.cameras: 'kitchen' is neither"):
        Judge(groups=groups)


# --- the exempt


def test_what_would_have_hit_the_exempt_says_whom() -> None:
    judge = Judge()
    judge.allowance.exempt = Exempt([Exemption(who="the gateway", mac=MAC, home="lan1")])
    allowed = judge.ask()
    assert (allowed.state, allowed.detail) == (
        "simulated",
        "would have isolated, but it is the gateway",
    )


def test_a_host_behind_an_exempt_router_is_not_exempt() -> None:
    judge = Judge()
    judge.allowance.exempt = Exempt([Exemption(who="the gateway", mac=MAC, home="lan1")])
    allowed = judge.ask(host="203.0.113.5", src_ip="203.0.113.5")
    assert (allowed.state, allowed.cut.ip, allowed.cut.mac) == ("applied", "203.0.113.5", None)


# --- borrowed addresses


def test_who_took_an_address_of_the_link_has_its_owner_not_cut_off_by_it() -> None:
    judge = Judge()
    judge.allowance.exempt = Exempt([Exemption(who=ON_LINK, network="10.0.0.0/8", on_link=True)])
    assert judge.ask(host="10.0.0.7", src_ip="10.0.0.7").state == "simulated"
    assert judge.ask(src_ip="10.0.0.7").state == "applied"


def test_who_borrowed_a_mac_is_cut_at_its_port_and_the_owner_is_not() -> None:
    judge = Judge()
    judge.allowance.exempt = Exempt([Exemption(who="the gateway", mac=MAC, home="lan1")])
    allowed = judge.ask(shared_mac=True, bridge_port="lan2")
    assert (allowed.state, allowed.cut.mac, allowed.cut.bridge_port) == ("applied", MAC, "lan2")


def test_without_the_name_of_the_port_a_person_is_asked_and_nobody_named() -> None:
    allowed = Judge().ask(shared_mac=True, bridge_port=None)
    assert allowed.state == "suggested"
    assert allowed.detail == "its MAC is not its alone, and the bridge port cannot be named"
    assert (allowed.cut.mac, allowed.cut.ip, allowed.cut.bridge_port) == (None, None, None)


def test_strikes_of_owner_and_borrower_do_not_add_up() -> None:
    run = Run(mode="enforce")
    run.strike(verdict(0), verdict(1, shared_mac=True, bridge_port="lan2"))
    assert run.alerts() == []
    run.strike(verdict(2, shared_mac=True, bridge_port="lan2"))
    (isolation,) = run.isolations()
    assert (isolation.isolated_mac, isolation.isolated_port) == (MAC_OF_RUN, "lan2")
    run.strike(verdict(3))
    assert len({each.alert_id for each in run.alerts()}) == 2


MAC_OF_RUN = "02:00:00:00:00:42"


# --- budgets


def test_no_more_than_a_share_of_the_known_hosts_is_isolated_at_once() -> None:
    judge = Judge(max_isolations_per_hour=100, max_isolated_share=0.25)
    judge.allowance.hosts_known = 12
    states = [judge.ask(**host(number)).state for number in range(5)]
    assert states == ["applied"] * 3 + ["suggested"] * 2
    assert judge.ask(601, **host(9)).state == "applied"


def test_in_the_smallest_network_one_host_can_be_isolated() -> None:
    judge = Judge(max_isolations_per_hour=100)
    judge.allowance.hosts_known = 2
    assert [judge.ask(**host(number)).state for number in (1, 2)] == ["applied", "suggested"]


def test_over_the_budget_it_is_said_which_one() -> None:
    judge = Judge(max_isolations_per_hour=1)
    judge.ask(**host(1))
    assert judge.ask(**host(2)).detail == "over the budget of 1 isolations an hour"
    judge = Judge(max_isolated_share=0.0)
    judge.ask(**host(1))
    assert judge.ask(**host(2)).detail == "1 of 100 known hosts are isolated already"
    assert judge.allowance.over_budget == 1


def test_lifting_makes_room_at_once_but_not_in_the_hour() -> None:
    judge = Judge(max_isolations_per_hour=2, max_isolated_share=0.0)
    judge.ask(**host(1))
    judge.lift(1, at=5)
    assert judge.ask(10, **host(2)).state == "applied"
    judge.lift(2, at=15)
    assert judge.ask(20, **host(3)).detail == "over the budget of 2 isolations an hour"


# --- repeat offenders


def test_who_comes_back_is_isolated_for_longer_up_to_the_longest() -> None:
    judge = Judge()
    durations = [judge.ask(at * DAY).duration_s for at in range(4)]
    assert durations == [600, HOUR, DAY, DAY]
    assert judge.ask(4 * DAY).detail == "isolated 5 times within a week"


def test_an_offence_is_forgotten_after_a_week() -> None:
    judge = Judge()
    judge.ask()
    assert judge.ask(OFFENCE_NS // SECOND + 1).duration_s == 600


def test_only_what_was_applied_counts_as_an_offence() -> None:
    judge = Judge(mode="observe")
    judge.ask()
    judge.allowance.mode = "enforce"
    assert judge.ask(10).duration_s == 600


def test_another_host_s_offences_do_not_count() -> None:
    judge = Judge()
    judge.ask(**host(1))
    assert judge.ask(10, **host(2)).duration_s == 600


def test_who_goes_on_after_its_isolation_is_isolated_again_for_longer() -> None:
    run = opened(Run(mode="enforce", isolation_s=20, repeat_isolation_s=[60]))
    run.strike(*(verdict(second, host="02:00:00:00:01:00") for second in range(2, 40)))
    first, second = run.isolations()
    assert first.isolation_id != second.isolation_id
    assert second.isolated_ns > first.expires_ns
    assert [(i.expires_ns - i.isolated_ns) // SECOND for i in (first, second)] == [20, 60]
    assert modes(run) == ["applied", "applied"]


def test_an_isolation_that_failed_is_tried_again_while_strikes_go_on_and_is_no_offence() -> None:
    run = opened(Run(mode="enforce"))
    (first,) = run.isolations()
    run.policy.failed(first)
    run.strike(*(verdict(second, host=first.host) for second in range(2, 30)))
    _, second, *more = run.isolations()
    assert second.isolation_id != first.isolation_id
    assert second.expires_ns - second.isolated_ns == first.expires_ns - first.isolated_ns
    assert second.isolated_ns - first.isolated_ns <= 12 * SECOND
    assert more == []


def test_one_that_fails_again_and_again_is_tried_more_and_more_seldom_and_costs_no_other_one() -> (
    None
):
    run = opened(Run(mode="enforce", max_isolations_per_hour=3))
    host, told = run.isolations()[0].host, 0
    for second in range(2, 200):
        applied = [each for each in run.isolations() if each.state == "applied"]
        for each in applied[told:]:
            run.policy.failed(each)
        told = len(applied)
        run.strike(verdict(second, host=host))
    tries = [each.isolated_ns // SECOND for each in run.isolations()]
    assert [later - earlier for earlier, later in pairwise(tries)] == [11, 21, 41, 81]
    run.strike(*(verdict(second, host="02:00:00:00:02:00") for second in (200, 201)))
    assert set(modes(run)) == {"applied"}


# --- grace


def test_after_a_lift_the_same_class_asks_instead_of_isolating_for_a_while() -> None:
    judge = Judge(grace_s=HOUR)
    judge.ask()
    judge.lift(1, at=60)
    allowed = judge.ask(120)
    assert (allowed.state, allowed.detail) == (
        "suggested",
        "a person lifted this isolation a short while ago",
    )
    assert judge.ask(130, attack_type="DOS").state == "applied"
    assert judge.ask(140, **host(3)).state == "applied"
    assert judge.ask(61 + HOUR).state == "applied"


def test_what_a_person_lifted_was_no_offence() -> None:
    judge = Judge(grace_s=0)
    judge.ask()
    judge.lift(1, at=60)
    assert judge.ask(120).duration_s == 600


def test_lifting_what_is_unknown_changes_nothing() -> None:
    judge = Judge()
    judge.lift(77, at=0)
    assert judge.allowance.memory == Memory()


# --- memory


def test_a_restarted_policy_remembers_budget_offences_and_graces() -> None:
    before, after = Judge(max_isolations_per_hour=2), Judge(max_isolations_per_hour=2)
    before.ask(**host(1))
    before.ask(**host(2))
    before.lift(2, at=30)
    kept = msgspec.json.decode(msgspec.json.encode(before.allowance.memory), type=Memory)
    after.allowance.memory = kept
    assert after.ask(60, **host(3)).state == "suggested"
    assert after.ask(65, **host(2)).detail.startswith("a person lifted")
    assert after.ask(2 * HOUR, **host(1)).duration_s == HOUR


STEPS = st.tuples(
    st.integers(0, 2 * DAY),  # seconds since the last
    st.integers(0, 4),
    st.sampled_from(["Scan", "DOS"]),
    st.sampled_from(["ask", "lift"]),
)


@given(st.lists(STEPS, max_size=60))
def test_whatever_comes_budgets_hold_and_memory_is_bounded(steps) -> None:
    judge, at, applied = Judge(max_isolations_per_hour=3, max_isolated_share=0.02), 0, []
    for step, number, attack, what in steps:
        at += step
        if what == "lift":
            judge.lift(judge.asked, at)
            continue
        allowed = judge.ask(at, **host(number), attack_type=attack)
        assert allowed.duration_s in {600, HOUR, DAY}
        if allowed.state == "applied":
            applied.append(at)
        assert sum(abs(at - each) <= HOUR for each in applied[-4:]) <= 3
    assert len(judge.allowance.memory.begun) <= min(MAX_REMEMBERED, len(applied))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.allowance.MAX_REMEMBERED", 4)
    judge = Judge(max_isolations_per_hour=100, max_isolated_share=1.0)
    for number in range(9):
        judge.ask(number, **host(number))
        judge.lift(judge.asked, at=number)
    memory = judge.allowance.memory
    assert (len(memory.begun), len(memory.graces)) == (4, 4)
    for number in range(9):
        judge.ask(number, **host(number + 50))
    assert len(judge.allowance.memory.begun) == 4
