"""A bot that calls home without a name is told within two minutes, however seldom it speaks."""

import itertools
from collections.abc import Callable, Iterable

import pytest

from agent.limits import CERTAIN, Bounds
from model_training.params import DEFAULT_PARAMS, read_params
from tests.agent.builders import EVE, SECOND, Box, Timed, every, observed, tcp
from tests.agent.counted_calls import CLOUD, LAIR, LATER, SITE, answer, begun, call, held
from tests.agent.policy_runs import Run, verdict

SHIPPED = Bounds.of(read_params(DEFAULT_PARAMS).limits)
LONGEST_S = 120
Call = Callable[[int, int], list[Timed]]


def accepted(at_s: int, dport: int, server: Box = LAIR) -> list[Timed]:
    return every(0.01, call(EVE, server, 50_000 + at_s, dport), at_s)


def on_site(at_s: int, dport: int) -> list[Timed]:
    """A server in another network of the house."""
    return accepted(at_s, dport, SITE)


def refused(at_s: int, dport: int) -> list[Timed]:
    sport = 50_000 + at_s
    answers = tcp(LAIR, EVE, dport, sport, "RA", ttl=63)
    return every(0.01, [tcp(EVE, LAIR, sport, dport, "S"), answers], at_s)


def unanswered(at_s: int, dport: int) -> list[Timed]:
    return [(at_s, tcp(EVE, LAIR, 50_000 + at_s, dport, "S"))]


def beacon(way: Call, period_s: int, dport: int) -> list[Timed]:
    times = range(LATER, LATER + LONGEST_S, period_s)
    return [*begun(), *itertools.chain.from_iterable(way(at_s, dport) for at_s in times)]


def opened(frames: Iterable[Timed]) -> list[tuple[str, int]]:
    """Return which alerts the shipped limits alone open against EVE, and how late after its first word."""
    seen = observed(frames)
    rows = seen.rows_of(EVE)
    start_s = seen.rows.window_start_ns[rows] // SECOND
    beyond = SHIPPED.exceeded(seen.rows.features[rows])
    run = Run()
    for at, which in zip((start_s - start_s.min()).tolist(), beyond, strict=True):
        if which.any():
            label = SHIPPED.labels[int(which.argmax())]
            assert label != "benign"
            run.strike(verdict(at, label, EVE.mac, packets=1, scores={label: CERTAIN}))
    first = {alert.alert_id: alert for alert in reversed(run.alerts())}
    began_ns = verdict(0).window_start_ns
    return [(a.attack_type, (a.opened_ns - began_ns) // SECOND) for a in first.values()]


@pytest.mark.parametrize("dport", [443, 1883, 4444])
@pytest.mark.parametrize("period_s", [4, 5, 8, 12, 15, 20, 30, 45])
@pytest.mark.parametrize("way", [accepted, refused, unanswered])
def test_a_beacon_is_told_within_two_minutes(way: Call, period_s: int, dport: int) -> None:
    ((attack, after_s),) = opened(beacon(way, period_s, dport))
    assert attack == "Botnet"
    assert after_s <= LONGEST_S


@pytest.mark.parametrize("period_s", [4, 8, 15, 20])
def test_a_beacon_within_the_house_is_told_where_it_is_in_haste(period_s: int) -> None:
    ((attack, after_s),) = opened(beacon(on_site, period_s, 4444))
    assert attack == "Botnet"
    assert after_s <= LONGEST_S


def words(period_s: int, server: Box = LAIR) -> list[Timed]:
    """Hold one call, and say two bytes in it now and then."""
    return held(*range(0, LONGEST_S, period_s), server=server)


@pytest.mark.parametrize("period_s", [5, 10, 20, 30, 45])
def test_words_in_a_held_call_are_told_within_two_minutes(period_s: int) -> None:
    ((attack, after_s),) = opened(words(period_s))
    assert attack == "Botnet"
    assert after_s <= LONGEST_S


def named_words() -> list[Timed]:
    return words(10, CLOUD)


def seldom_words() -> list[Timed]:
    return words(60)


def words_to_site() -> list[Timed]:
    return words(40, SITE)


def named_beacon() -> list[Timed]:
    return [*beacon(accepted, 5, 443), (LATER - 1, answer(LAIR.ip))]


def long_before_us() -> list[Timed]:
    """A device that holds an address since before anything was heard."""
    return [*accepted(1, 443), *beacon(accepted, 5, 443)]


def seldom() -> list[Timed]:
    return beacon(accepted, 70, 4444)


def reports_to_site() -> list[Timed]:
    return beacon(on_site, 40, 4444)


def reconnects() -> list[Timed]:
    """A connection to what was resolved long ago is lost, and opened again twice."""
    return [*begun(), *accepted(LATER, 4444), *accepted(LATER + 20, 4444)]


def tries_again() -> list[Timed]:
    """One call that nobody answers: its SYN is sent again and again."""
    again = [(LATER + at, tcp(EVE, LAIR, 50_000, 443, "S")) for at in (0, 1, 3, 7, 15, 31, 63)]
    return [*begun(), *again]


def sharing_files() -> list[Timed]:
    """Peers that a tracker told of, each another host."""
    peers = [Box(1, f"203.0.113.{n}") for n in range(30, 60)]
    return [*begun(), *every(2, (tcp(EVE, peer, 50_000, 6881, "S") for peer in peers), LATER)]


@pytest.mark.parametrize(
    "way",
    [
        named_beacon,
        long_before_us,
        seldom,
        tries_again,
        sharing_files,
        named_words,
        seldom_words,
        words_to_site,
        reports_to_site,
        reconnects,
    ],
)
def test_who_calls_as_honest_hosts_do_is_left_alone(way: Callable[[], list[Timed]]) -> None:
    frames = sorted(way(), key=lambda timed: timed[0])
    assert opened(frames) == []
