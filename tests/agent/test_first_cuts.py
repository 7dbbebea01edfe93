"""The smallest cut that ends an attack comes first; a wider one when the attack goes on."""

from typing import Any

import msgspec
import pytest

from agent.config import HostGroup
from agent.effects import Isolate, Publish
from agent.exempt import Exempt, uplinks
from agent.policy import Policy
from agent.strikes import BEYOND_DOUBT
from contract.attacks import AttackType
from contract.cuts import Part
from contract.messages import Isolation
from tests.agent.builders import Box
from tests.agent.conversations import lasting, learned
from tests.agent.policy_runs import MAC, OTHER, SECOND, START, Run, verdict

PEER, OTHER_PEER = "02:00:00:00:00:99", "02:00:00:00:00:98"
NOBODY = "00:00:00:00:00:00"
FLOW = Part(kind="flow", peer_mac=PEER, protocol="tcp", port=22)
PAIR = Part(kind="pair", peer_mac=PEER)
RATE = Part(kind="rate")
ELSEWHERE = Part(kind="flow", peer_mac=OTHER_PEER, protocol="tcp", port=22)


def enforcing(enforcer: str = "nft", **settings: Any) -> Run:
    run = Run(mode="enforce", **settings)
    allowance = run.policy.allowance
    run.policy = Policy(run.policy._config, "pi-1", "model-1", enforcer)
    run.policy.allowance.hosts_known = allowance.hosts_known
    return run


def attacked(
    run: Run, *seconds: int, attack: AttackType = "DOS", aimed_at: Part | None = FLOW, **more: Any
) -> list[Isolation]:
    """Return what was newly isolated or asked for."""
    effects = run.strike(*(verdict(at, attack, aimed_at=aimed_at, **more) for at in seconds))
    done = [effect.isolation for effect in effects if isinstance(effect, Isolate)]
    told = [effect.message for effect in effects if isinstance(effect, Publish)]
    return done + [message for message in told if isinstance(message, Isolation)]


# --- which part comes first


@pytest.mark.parametrize(
    ("attack", "aimed_at", "part"),
    [
        ("DOS", FLOW, PAIR),
        ("DOS", PAIR, PAIR),
        ("DOS", None, RATE),
        ("BruteForce", FLOW, FLOW),
        ("BruteForce", PAIR, PAIR),
        ("BruteForce", None, None),
        ("Replay", FLOW, PAIR),
        ("Replay", None, None),
        ("Scan", FLOW, None),
        ("MITM", PAIR, None),
        ("Botnet", FLOW, None),
    ],
)
def test_class_and_evidence_say_which_part_of_a_host_is_cut_first(attack, aimed_at, part):
    (isolation,) = attacked(enforcing(), 0, 1, attack=attack, aimed_at=aimed_at)
    assert (isolation.state, isolation.isolated_mac, isolation.part) == ("applied", MAC, part)


def test_a_person_can_have_whole_hosts_cut_off_or_other_parts_first():
    run = enforcing(first_cuts={"DOS": [], "Scan": ["rate"]})
    (isolation,) = attacked(run, 0, 1)
    assert isolation.part is None
    (isolation,) = attacked(run, 2, 3, attack="Scan")
    assert isolation.part == RATE
    (isolation,) = attacked(run, 4, 5, attack="BruteForce")
    assert isolation.part == FLOW


@pytest.mark.parametrize("enforcer", ["bridge_port", "snmp_switch"])
def test_an_enforcer_that_closes_whole_ports_is_asked_for_no_part(enforcer):
    (isolation,) = attacked(enforcing(enforcer), 0, 1)
    assert isolation.part is None


def test_where_a_mac_is_shared_it_is_cut_at_its_port_and_no_part_of_it():
    (isolation,) = attacked(enforcing(), 0, 1, shared_mac=True)
    assert (isolation.isolated_port, isolation.part) == ("lan1", None)


def test_of_a_host_behind_a_router_a_part_is_cut_by_its_address():
    pair = Part(kind="pair", peer_ip="192.168.1.10")
    run = enforcing()
    (isolation,) = attacked(run, 0, 1, host="10.9.9.9", src_ip="10.9.9.9", aimed_at=pair)
    assert (isolation.isolated_mac, isolation.isolated_ip) == (None, "10.9.9.9")
    assert isolation.part == pair


def test_in_observe_mode_what_would_be_cut_first_is_told_and_nothing_asked():
    run = Run()
    (isolation,) = attacked(run, *range(100))
    assert (isolation.state, isolation.part, isolation.detail) == ("simulated", PAIR, "")


# --- when the attack goes on


def test_an_attack_that_a_part_holds_is_not_cut_off_wider():
    run = enforcing()
    (first,) = attacked(run, 0, 1)
    assert attacked(run, *range(2, 60)) == []
    assert first.part == PAIR


@pytest.mark.parametrize("aimed_at", [ELSEWHERE, None])
def test_an_attack_that_goes_on_elsewhere_has_its_whole_host_cut_off(aimed_at):
    run = enforcing()
    (first,) = attacked(run, 0, 1)
    assert attacked(run, 4, aimed_at=aimed_at) == []
    (wider,) = attacked(run, 5, aimed_at=aimed_at)
    assert (wider.isolation_id, wider.isolated_mac, wider.part) == (first.isolation_id, MAC, None)
    assert wider.expires_ns > first.expires_ns
    assert wider.detail == "the attack went on when a pair was cut off"
    assert attacked(run, *range(6, 20), aimed_at=aimed_at) == []


def test_windows_with_frames_from_before_the_cut_do_not_count():
    run = enforcing()
    attacked(run, 0, 1)
    assert attacked(run, 2, 3, aimed_at=ELSEWHERE, packets=5000) == []
    assert len(attacked(run, 4, aimed_at=ELSEWHERE, packets=5000)) == 1


def test_one_window_beyond_doubt_that_is_aimed_at_nobody_is_not_cut_off_wider():
    run = enforcing()
    certain = {"benign": 0.0, "DOS": BEYOND_DOUBT["DOS"]}
    attacked(run, 0, 1)
    assert attacked(run, 4, aimed_at=None, scores=certain) == []
    assert len(attacked(run, 5, aimed_at=None, scores=certain)) == 1


def test_who_attacks_now_here_and_now_there_is_cut_off():
    run = enforcing()
    attacked(run, 0, 1)
    attacked(run, 4, 6, 8)
    attacked(run, 5, aimed_at=ELSEWHERE)
    (wider,) = attacked(run, 9, aimed_at=ELSEWHERE)
    assert wider.part is None


def test_a_flow_becomes_its_pair_and_then_the_host():
    run = enforcing()
    other_port = msgspec.structs.replace(FLOW, port=23)
    (first,) = attacked(run, 0, 1, attack="BruteForce")
    (second,) = attacked(run, 4, 5, attack="BruteForce", aimed_at=other_port)
    (third,) = attacked(run, 8, 9, attack="BruteForce", aimed_at=ELSEWHERE)
    assert [first.part, second.part, third.part] == [FLOW, PAIR, None]
    assert len({first.isolation_id, second.isolation_id, third.isolation_id}) == 1


def test_a_flow_whose_attack_goes_to_another_peer_does_not_become_that_pair():
    run = enforcing()
    attacked(run, 0, 1, attack="BruteForce")
    (wider,) = attacked(run, 4, 5, attack="BruteForce", aimed_at=ELSEWHERE)
    assert wider.part is None


@pytest.mark.parametrize("aimed_at", [FLOW, None])
def test_an_attack_that_does_not_end_is_no_longer_only_cut_in_part(aimed_at):
    """Behind a flood that is dropped something else may go on that nobody sees."""
    run = enforcing(first_cut_s=30)
    (first,) = attacked(run, 0, 1, aimed_at=aimed_at)
    assert first.part is not None
    assert attacked(run, *range(2, 32), aimed_at=aimed_at) == []
    (wider,) = attacked(run, 32, aimed_at=aimed_at)
    assert wider.part is None


def test_what_was_cut_off_wider_is_not_cut_in_part_when_its_lease_has_ended():
    run = enforcing(isolation_s=20, repeat_isolation_s=[20])
    attacked(run, 0, 1)
    attacked(run, 4, 5, aimed_at=ELSEWHERE)
    (again,) = attacked(run, *range(6, 28))
    assert again.part is None


def test_a_slow_attack_of_another_class_is_not_held_by_slowing_its_host_down():
    run = enforcing(first_cuts={"Scan": ["rate"]})
    attacked(run, 0, 1, attack="Scan", aimed_at=None)
    (wider,) = attacked(run, 4, 5, attack="Scan", aimed_at=None)
    assert wider.part is None


# --- within budget, exemptions, questions, grace


def test_what_cannot_be_widened_goes_on_to_hold_and_a_person_is_asked_once():
    run = enforcing(critical=["192.168.1.50 tcp/502"])
    run.policy.allowance.peers = learned(lasting(Box(7), Box(50)))
    mac: dict[str, Any] = {"host": Box(7).mac}
    (first,) = attacked(run, 0, 1, **mac)
    assert (first.state, first.losses) == ("applied", [])
    (asked,) = attacked(run, *range(4, 40), aimed_at=ELSEWHERE, **mac)
    assert (asked.state, asked.part) == ("suggested", None)
    assert asked.isolation_id != first.isolation_id
    assert "192.168.1.50 tcp/502" in asked.detail
    assert run.policy.allowance.stands(first.isolation_id)


def test_a_pair_with_what_is_critical_is_a_question_and_names_what_it_takes():
    run = enforcing(critical=["192.168.1.50 tcp/502"])
    run.policy.allowance.peers = learned(lasting(Box(7), Box(50)), lasting(Box(7), Box(51)))
    pair = Part(kind="pair", peer_mac=Box(50).mac)
    (asked,) = attacked(run, 0, 1, host=Box(7).mac, aimed_at=pair)
    assert asked.state == "suggested"
    assert [loss.peer_mac for loss in asked.losses] == [Box(50).mac]


def test_slowing_down_whom_many_or_what_is_critical_need_is_a_question_too():
    for settings in ({"critical": ["tcp/502"]}, {"most_clients": 1}):
        run = enforcing(**settings)
        served = (lasting(Box(50), Box(1)), lasting(Box(51), Box(1)))
        run.policy.allowance.peers = learned(*served)
        (asked,) = attacked(run, 0, 1, aimed_at=None, host=Box(1).mac, src_mac=Box(1).mac)
        assert (asked.state, asked.part) == ("suggested", RATE)


def test_a_part_that_cannot_be_cut_off_gives_way_to_the_whole_host():
    run = enforcing()
    (first,) = attacked(run, 0, 1)
    run.policy.failed(msgspec.structs.replace(first, state="failed", detail="refused"))
    (second,) = attacked(run, *range(2, 20))
    assert (second.state, second.part) == ("applied", None)


def test_two_parts_of_one_host_are_no_two_hosts():
    run = enforcing()
    run.policy.allowance.hosts_known = 4
    (first,) = attacked(run, 0, 1)
    (second,) = attacked(run, 2, 3, attack="BruteForce", aimed_at=ELSEWHERE)
    assert (first.state, second.state) == ("applied", "applied")


def test_widening_is_another_cut_of_the_hour():
    run = enforcing(max_isolations_per_hour=1)
    attacked(run, 0, 1)
    (asked,) = attacked(run, 4, 5, aimed_at=ELSEWHERE)
    assert (asked.state, asked.detail) == ("suggested", "over the budget of 1 isolations an hour")
    run = enforcing(max_isolations_per_hour=2)
    attacked(run, 0, 1)
    (wider,) = attacked(run, 4, 5, aimed_at=ELSEWHERE)
    (asked,) = attacked(run, 6, 7, host=OTHER)
    assert (wider.state, asked.state) == ("applied", "suggested")


def test_widening_is_no_second_offence_and_no_second_host():
    run = enforcing(max_isolated_share=0.01)  # of a hundred hosts one at once
    (first,) = attacked(run, 0, 1)
    (wider,) = attacked(run, 4, 5, aimed_at=ELSEWHERE)
    assert wider.state == "applied"
    assert wider.expires_ns - wider.isolated_ns == first.expires_ns - first.isolated_ns
    (other,) = attacked(run, 6, 7, host=OTHER)
    assert other.state == "suggested"


def test_a_host_that_was_cut_in_part_before_is_a_repeat_offender_all_the_same():
    run = enforcing()
    (first,) = attacked(run, 0, 1)
    (second,) = attacked(run, 1000, 1001, aimed_at=None)
    assert (first.part, second.part) == (PAIR, RATE)
    assert second.expires_ns - second.isolated_ns == 3600 * SECOND


def test_what_a_person_lifted_is_neither_widened_nor_cut_in_another_part():
    run = enforcing()
    (first,) = attacked(run, 0, 1)
    run.policy.allowance.lifted(first.isolation_id, (START + 3) * SECOND)
    assert attacked(run, *range(4, 70), aimed_at=ELSEWHERE) == []
    run.policy.flush()
    (asked,) = attacked(run, 80, 81, aimed_at=None)
    assert (asked.state, asked.part) == ("suggested", RATE)


def test_what_a_person_prolonged_is_not_widened():
    run = enforcing()
    (first,) = attacked(run, 0, 1)
    until_ns = first.expires_ns + 3600 * SECOND
    run.policy.left_to_a_person(msgspec.structs.replace(first, expires_ns=until_ns))
    # Nor is it cut off anew when it would have ended without that person.
    assert attacked(run, *range(4, 700), aimed_at=ELSEWHERE) == []


def test_the_exempt_are_not_even_slowed_down():
    run = enforcing(exempt=[MAC])
    (told,) = attacked(run, 0, 1, aimed_at=None)
    assert told.state == "simulated"


def test_a_part_that_could_not_be_widened_is_widened_with_the_next_proof():
    run = enforcing()
    (first,) = attacked(run, 0, 1)
    attacked(run, 4, 5, aimed_at=ELSEWHERE)
    run.policy.failed(msgspec.structs.replace(first, state="verified", detail="not prolonged"))
    assert attacked(run, *range(6, 18), aimed_at=ELSEWHERE) == []
    (wider,) = attacked(run, 18, 19, aimed_at=ELSEWHERE)
    assert (wider.isolation_id, wider.part) == (first.isolation_id, None)


def test_a_part_that_could_not_be_widened_is_cut_off_anew_when_its_own_lease_has_ended():
    run = enforcing(isolation_s=20)
    (first,) = attacked(run, 0, 1)
    attacked(run, 4, 5, aimed_at=ELSEWHERE)
    run.policy.failed(msgspec.structs.replace(first, state="verified", detail="not prolonged"))
    (again,) = attacked(run, *range(6, 24))
    assert again.isolation_id != first.isolation_id
    assert again.isolated_ns > first.expires_ns


# --- a flood of invented hosts


def flooded(run: Run, *seconds: int, port: str | None = "lan2", **more: Any) -> list[Isolation]:
    many = {"host": NOBODY, "src_ip": None, "bridge_port": port}
    return attacked(run, *seconds, aimed_at=None, **(many | more))


def at_port(enforcer: str = "nft", **settings: Any) -> Run:
    run = enforcing(enforcer, **settings)
    allowance = run.policy.allowance
    allowance.exempt = Exempt([*uplinks(["lan1"]), *allowance.exempt.exemptions])
    run.policy.allowance.ports = ("lan1", "lan2")
    return run


@pytest.mark.parametrize("enforcer", ["nft", "bridge_port"])
def test_a_flood_of_invented_macs_is_cut_at_its_port(enforcer):
    (isolation,) = flooded(at_port(enforcer), 0, 1)
    assert (isolation.state, isolation.isolated_port, isolation.part) == ("applied", "lan2", None)
    assert (isolation.isolated_mac, isolation.isolated_ip) == (None, None)
    assert isolation.reason == "DOS by hosts behind lan2"


def test_two_such_floods_are_two():
    run = at_port()
    found = [*flooded(run, 0, 1), *flooded(run, 2, 3, port="lan3")]
    assert [isolation.isolated_port for isolation in found] == ["lan2", "lan3"]
    assert len({isolation.isolation_id for isolation in found}) == 2


def test_no_uplink_is_cut_and_where_none_is_known_a_person_is_asked():
    (told,) = flooded(at_port(), 0, 1, port="lan1")
    assert (told.state, told.detail) == (
        "simulated",
        "would have isolated, but it is the way to the rest of the network",
    )
    run = enforcing()
    (asked,) = flooded(run, 0, 1)
    assert asked.state == "suggested"
    assert "[isolation] uplinks" in asked.detail


@pytest.mark.parametrize("enforcer", ["snmp_switch"])
def test_a_switch_names_its_ports_otherwise_so_none_is_cut(enforcer):
    assert flooded(at_port(enforcer), 0, 1) == []


def test_many_hosts_that_scan_are_reported_and_not_cut():
    assert flooded(at_port(), 0, 1, attack="Scan") == []
    assert flooded(at_port(), 0, 1, port=None) == []


@pytest.mark.parametrize(
    ("settings", "state", "why"),
    [
        ({"exempt": ["192.168.1.7"]}, "simulated", "the way to exempt by [policy] exempt"),
        ({"critical": ["tcp/502"]}, "suggested", "it takes away what is critical: tcp/502"),
        ({"most_clients": 1}, "suggested", "2 hosts live behind it"),
        ({"max_isolated_share": 0.01}, "suggested", "and 2 live behind it"),
        ({"groups": {"plc": HostGroup(hosts=["192.168.1.8"], mode="observe")}}, "simulated", ""),
        ({}, "applied", ""),
    ],
)
def test_who_lives_behind_a_port_is_asked_about(settings, state, why):
    run = at_port(**settings)
    homes = {Box(7).mac: 1, Box(8).mac: 1}
    talk = (lasting(Box(7), Box(50)), lasting(Box(8), Box(50)), lasting(Box(7), Box(8)))
    run.policy.allowance.peers = learned(*talk, ports=homes)
    (found,) = flooded(run, 0, 1)
    assert found.state == state
    assert why in found.detail
    assert {loss.peer_mac for loss in found.losses} == {Box(50).mac}
