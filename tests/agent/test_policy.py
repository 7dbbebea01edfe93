"""Strikes make an alert, an alert grows and closes; identity and bounds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import Mode, PolicyConfig
from agent.open_alert import Explanation
from agent.policy import (
    MAX_OPEN_ALERTS,
    MAX_SUSPECTS,
    Policy,
)
from agent.strikes import ANOMALOUS_WINDOWS, OVERWHELMING_PACKETS
from contract.attacks import ATTACKS, AttackType
from contract.codec import decode_envelope, encode
from contract.messages import Alert, Envelope, Verdict
from runtime.errors import ConfigError
from tests.agent.policy_runs import (
    CHANGE,
    MAC,
    OTHER,
    REASON,
    SECOND,
    START,
    Run,
    messages,
    opened,
    verdict,
)

# --- strikes


def test_the_second_strike_opens_an_alert_and_the_first_does_not() -> None:
    run = Run()
    assert run.strike(verdict(0)) == []
    run.strike(verdict(1))
    (alert,) = run.alerts()
    assert (alert.state, alert.attack_type, alert.host, alert.windows) == ("open", "Scan", MAC, 2)


def test_an_alert_opens_at_the_end_of_the_window_that_proved_it() -> None:
    run = Run()
    run.strike(verdict(0), verdict(3))
    (alert,) = run.alerts()
    assert alert.first_seen_ns == START * SECOND
    assert alert.opened_ns == alert.last_seen_ns == (START + 4) * SECOND


def test_a_window_with_very_many_packets_proves_as_much_as_two() -> None:
    run = Run()
    run.strike(verdict(0, packets=OVERWHELMING_PACKETS - 1))
    assert run.alerts() == []
    run = Run()
    run.strike(verdict(0, packets=OVERWHELMING_PACKETS))
    assert len(run.alerts()) == 1


@pytest.mark.parametrize(
    ("attack", "score"), [("DOS", 0.95), ("Scan", 0.95), ("BruteForce", 0.85), ("MITM", 0.99)]
)
def test_a_window_beyond_doubt_proves_as_much_as_two(attack: AttackType, score: float) -> None:
    for least, alerts in ((score - 0.01, 0), (score, 1)):
        run = Run()
        run.strike(verdict(0, attack, scores={"benign": 1 - least, attack: least}))
        assert len(run.alerts()) == alerts


@pytest.mark.parametrize("strikes", [1, 3, 30])
def test_as_many_strikes_as_configured_are_needed(strikes: int) -> None:
    run = Run(strikes=strikes)
    run.strike(*(verdict(at) for at in range(strikes - 1)))
    assert run.alerts() == []
    run.strike(verdict(strikes - 1))
    assert len(run.alerts()) == 1


@pytest.mark.parametrize(
    ("attack", "later", "alerts"),
    [("Scan", 10, 1), ("Scan", 11, 0), ("Botnet", 25, 1), ("Botnet", 26, 0)],
)
def test_strikes_are_forgotten_after_ten_seconds_a_bots_after_twenty_five(
    attack: AttackType, later: int, alerts: int
) -> None:
    run = Run()
    run.strike(verdict(0, attack), verdict(later, attack))
    assert len(run.alerts()) == alerts


def test_strikes_of_other_hosts_and_other_classes_do_not_add_up() -> None:
    run = Run()
    run.strike(verdict(0), verdict(1, host=OTHER), verdict(2, "DOS"))
    assert run.alerts() == []


def test_strikes_from_a_future_that_the_clock_took_back_do_not_count() -> None:
    run = Run()
    run.strike(verdict(1000), verdict(0))
    assert run.alerts() == []


def test_the_alert_says_what_the_strikes_said() -> None:
    run = Run()
    weak = verdict(0, scores={"benign": 0.2, "Scan": 0.8}, packets=7)
    run.strike(weak, verdict(1, src_ip=None, packets=5, dst_ip="10.0.0.1"))
    (alert,) = run.alerts()
    assert alert.severity == ATTACKS["Scan"].severity
    assert (alert.confidence, alert.packets) == (0.9, 12)
    assert (alert.src_ip, alert.dst_ip, alert.bridge_port) == ("192.168.1.66", "10.0.0.1", "lan1")
    assert alert.top_features == [REASON]
    assert alert.counterfactual == [CHANGE]
    assert alert.model_id == "model-1"


def test_only_an_alert_that_opens_is_explained() -> None:
    run = Run()
    run.strike(*(verdict(at) for at in range(30)))
    assert run.explained == 1


# --- an open alert


def test_a_host_has_one_open_alert_for_each_class() -> None:
    run = Run()
    run.strike(*(verdict(at, attack) for at in range(9) for attack in ("Scan", "DOS")))
    assert sorted(a.attack_type for a in run.alerts()) == ["DOS", "Scan"]


def test_an_alert_that_grows_is_told_every_ten_seconds_and_not_more_often() -> None:
    run = Run()
    run.strike(*(verdict(at) for at in range(35)))
    told = [alert.last_seen_ns // SECOND - START for alert in run.alerts()]
    assert told == [2, 12, 22, 32]
    assert [alert.windows for alert in run.alerts()] == [2, 12, 22, 32]
    assert len({alert.alert_id for alert in run.alerts()}) == 1


def test_an_alert_closes_when_its_host_was_quiet() -> None:
    run = Run(quiet_s=60)
    run.strike(verdict(0), verdict(1))
    assert run.policy.advance((START + 62) * SECOND) == []
    (closed,) = messages(run.policy.advance((START + 63) * SECOND))
    assert isinstance(closed, Alert)
    assert (closed.state, closed.windows) == ("closed", 2)
    assert run.policy.advance((START + 200) * SECOND) == []


def test_what_comes_after_the_quiet_is_another_alert() -> None:
    run = Run(quiet_s=60)
    run.strike(*(verdict(at) for at in (0, 1, 100, 101)))
    assert [a.state for a in run.alerts()] == ["open", "closed", "open"]
    assert len({a.alert_id for a in run.alerts()}) == 2


def test_a_closed_alert_knows_everything_up_to_its_end() -> None:
    run = Run()
    run.strike(*(verdict(at) for at in range(6)))
    (closed,) = messages(run.policy.flush())
    assert isinstance(closed, Alert)
    assert (closed.windows, closed.packets) == (6, 600)
    assert closed.last_seen_ns == (START + 6) * SECOND


def test_an_alert_of_a_future_that_the_clock_took_back_closes() -> None:
    run = Run(quiet_s=60)
    run.strike(verdict(5000), verdict(5001), verdict(0))
    assert [a.state for a in run.alerts()] == ["open", "closed"]


def test_an_address_that_becomes_known_later_is_added() -> None:
    run = Run()
    run.strike(verdict(0, src_ip=None), verdict(1, src_ip=None), verdict(2))
    (closed,) = messages(run.policy.flush())
    assert isinstance(closed, Alert)
    assert closed.src_ip == "192.168.1.66"


def test_flushing_closes_every_alert_once() -> None:
    run = Run()
    run.strike(verdict(0), verdict(1), verdict(2, "DOS"), verdict(3, "DOS"))
    assert len(run.policy.flush()) == 2
    assert run.policy.flush() == []


# --- identity and bounds


def test_the_same_verdicts_give_the_same_messages() -> None:
    runs = [opened(Run(mode="enforce"), 5) for _ in range(2)]
    assert runs[0].effects == runs[1].effects


def test_ids_tell_devices_hosts_classes_and_times_apart() -> None:
    run = Run()
    run.strike(*(verdict(at, a) for at in (0, 1, 100, 101) for a in ("Scan", "DOS")))
    run.strike(*(verdict(at, host=OTHER) for at in (102, 103)))
    elsewhere = Policy(PolicyConfig(strikes=1), "pi-2", "model-1")
    assert elsewhere.strike(verdict(1), "Scan", lambda: Explanation([], [])) == []
    (message, _) = messages(elsewhere.explain())
    assert isinstance(message, Alert)
    ids = [alert.alert_id for alert in run.alerts() if alert.state == "open"]
    assert len({*ids, message.alert_id}) == 6


def test_suspects_are_bounded_and_the_one_heard_of_longest_ago_is_dropped() -> None:
    run = Run()
    many = [f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}" for n in range(MAX_SUSPECTS)]
    run.strike(verdict(0, host=OTHER), verdict(0))
    run.strike(*(verdict(1, host=host) for host in many[:-1]))
    assert run.policy.dropped["policy.suspects"] == 1
    run.strike(verdict(1))
    assert [alert.host for alert in run.alerts()] == [MAC]


def test_open_alerts_are_bounded_and_what_is_not_opened_is_counted() -> None:
    run = Run()
    for n in range(MAX_OPEN_ALERTS + 3):
        host = f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}"
        run.strike(verdict(0, host=host), verdict(1, host=host))
    assert len(run.alerts()) == run.policy.alerts == MAX_OPEN_ALERTS
    assert run.policy.dropped["policy.alerts"] == 3
    assert len(run.policy.flush()) == MAX_OPEN_ALERTS


LATE = (2**63 - 1) // SECOND - START - 2


@given(
    st.lists(
        st.tuples(
            st.integers(0, 300) | st.just(LATE) | st.just(-START),
            st.sampled_from(["Scan", "DOS"]),
            st.sampled_from([MAC, OTHER, "10.0.0.9"]),
        ),
        max_size=40,
    ),
    st.sampled_from(["observe", "suggest", "enforce"]),
)
def test_whatever_comes_in_whatever_order_every_alert_opens_and_closes_once(
    steps: list[tuple[int, AttackType, str]], mode: str
) -> None:
    run = Run(mode=mode)
    run.strike(*(verdict(at, attack, host) for at, attack, host in steps))
    run.effects += run.policy.flush()
    states: dict[str, list[str]] = {}
    for alert in run.alerts():
        states.setdefault(alert.alert_id + str(alert.first_seen_ns), []).append(alert.state)
    for told in states.values():
        assert told.count("open") >= told.count("closed") >= 1
    for number, message in enumerate([*messages(run.effects), *run.isolations()]):
        envelope = Envelope(boot="0" * 16, seq=number + 1, floor=1, message=message)
        assert decode_envelope(encode(envelope)) == envelope


# --- what no class explains


def novel(count: int, **changes: Any) -> list[Verdict]:
    return [verdict(at, "Anomaly", **changes) for at in range(count)]


def test_what_is_novel_for_several_windows_is_a_low_alert_however_loud_they_are() -> None:
    run = Run()
    run.strike(*novel(ANOMALOUS_WINDOWS - 1, packets=OVERWHELMING_PACKETS))
    assert run.alerts() == []
    run.strike(verdict(ANOMALOUS_WINDOWS - 1, "Anomaly"))
    (alert,) = run.alerts()
    assert (alert.attack_type, alert.severity) == ("Anomaly", "low")


@pytest.mark.parametrize("mode", ["observe", "suggest", "enforce"])
def test_an_anomaly_is_never_isolated(mode: Mode) -> None:
    run = Run(mode=mode)
    run.strike(*novel(60))
    assert run.alerts()
    assert run.isolations() == []


def test_what_a_class_explains_is_no_anomaly_as_well() -> None:
    run = Run()
    run.strike(verdict(0), verdict(1))
    run.strike(*novel(ANOMALOUS_WINDOWS))
    assert {alert.attack_type for alert in run.alerts()} == {"Scan"}
    run.strike(*novel(ANOMALOUS_WINDOWS, host=OTHER))
    assert {alert.attack_type for alert in run.alerts()} == {"Scan", "Anomaly"}


def test_anomalies_leave_room_for_attacks() -> None:
    run = Run()
    for number in range(MAX_OPEN_ALERTS // 2 + 1):
        run.strike(*novel(ANOMALOUS_WINDOWS, host=f"02:00:00:00:02:{number:02x}"))
    assert run.policy.alerts == MAX_OPEN_ALERTS // 2
    assert run.policy.dropped["policy.alerts"] == 1
    run.strike(verdict(0), verdict(1))
    assert run.policy.alerts == MAX_OPEN_ALERTS // 2 + 1


@pytest.mark.parametrize("mode", ["suggest", "enforce"])
def test_settings_that_would_isolate_anomalies_are_refused(mode: Mode) -> None:
    with pytest.raises(ConfigError, match=r"policy.modes.Anomaly: .* never isolated"):
        Run(modes={"Anomaly": mode})
