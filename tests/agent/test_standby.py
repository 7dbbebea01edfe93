"""Routers that stand in for each other are one holder; who pushes one aside is a stranger."""

from itertools import chain

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.layers.vrrp import VRRP
from scapy.packet import Packet

from agent.standby import MOST
from tests.agent.builders import (
    ANN,
    BOB,
    EVE,
    Box,
    Seen,
    Timed,
    every,
    is_at,
    observed,
    ping,
    tcp,
    who_has,
)

FIRST, SECOND = Box(2), Box(3)
SHARED = "192.168.1.1"
VIRTUAL = "00:00:5e:00:01:05"
GROUP = "01:00:5e:00:00:12"


def says_router(who: Box, priority: int = 100, *, mac: str = "", hop_limit: int = 255) -> Packet:
    advertisement = VRRP(vrid=5, priority=priority, addrlist=[SHARED])
    head = Ether(src=mac or who.mac, dst=GROUP)
    return head / IP(src=who.ip, dst="224.0.0.18", ttl=hop_limit) / advertisement


def is_router(who: Box, since_s: float, until_s: float, step_s: float = 1.0) -> list[Timed]:
    count = int((until_s - since_s) / step_s)
    said = every(step_s, [says_router(who)] * count, since_s + 0.01)
    return [*said, *takes(who, since_s + 0.02)]


def takes(who: Box, at_s: float) -> list[Timed]:
    """Say five times that the shared address is here, as keepalived does, and use it."""
    claims = [who_has(who, SHARED, claim=SHARED)] * 5
    return every(0.001, [*claims, ping(Box(0, SHARED, mac=who.mac), ANN)], at_s)


def seen_of(*parts: list[Timed]) -> Seen:
    return observed(sorted(chain(*parts), key=lambda timed: timed[0]))


def conflicts(seen: Seen) -> tuple[float, float]:
    return seen.total("conflicting_claims"), seen.total("foreign_source")


def test_who_comes_after_a_silent_router_holds_its_address() -> None:
    seen = seen_of(is_router(FIRST, 0, 6), is_router(SECOND, 9, 15))
    assert conflicts(seen) == (0, 0)
    assert seen.count("arp_requests", SECOND, 9) == 5


@pytest.mark.parametrize("step_s", [0.2, 5.0])
def test_silence_is_three_times_what_lies_between_two_words(step_s: float) -> None:
    first, end_s = is_router(FIRST, 0, 20, step_s), 20
    after = seen_of(first, is_router(SECOND, end_s + 2.1 * step_s, 50))
    assert conflicts(after) == (0, 0)
    before = seen_of(first, is_router(SECOND, end_s - 1, 50))
    assert conflicts(before) == (5, 1)


def test_the_first_may_come_back_and_push_the_second_aside() -> None:
    seen = seen_of(is_router(FIRST, 0, 6), is_router(SECOND, 9, 15), is_router(FIRST, 14, 20))
    assert conflicts(seen) == (0, 0)


def test_a_router_that_resigns_is_followed_at_once() -> None:
    first, second = is_router(FIRST, 0, 6), [(5.6, says_router(SECOND)), *takes(SECOND, 5.61)]
    assert conflicts(seen_of(first, second)) == (5, 1)
    assert conflicts(seen_of(first, [(5.5, says_router(FIRST, 0))], second)) == (0, 0)


def test_what_the_second_held_before_is_still_its_own() -> None:
    own = [(at_s, ping(SECOND, BOB)) for at_s in (0.5, 16.0)]
    assert conflicts(seen_of(own, is_router(FIRST, 0, 6), is_router(SECOND, 9, 15))) == (0, 0)


def test_who_pushes_a_living_router_aside_is_a_stranger() -> None:
    eve = [(5.3, says_router(EVE, 255)), (6.3, says_router(EVE, 255)), *takes(EVE, 6.4)]
    seen = seen_of(is_router(FIRST, 0, 8), eve)
    assert seen.count("conflicting_claims", EVE, 6) == 5
    assert seen.count("foreign_source", EVE, 6) == 1


def test_words_that_come_unevenly_leave_no_gap_for_a_stranger() -> None:
    said = [(at_s, says_router(FIRST)) for at_s in (0.1, 1.1, 2.9, 2.95, 3.0, 4.2)]
    eve = [(3.2, says_router(EVE, 255)), *takes(EVE, 3.3)]
    assert conflicts(seen_of(said, takes(FIRST, 0.2), eve)) == (5, 1)


def test_a_forger_gains_nothing_where_no_router_speaks() -> None:
    gateway = Box(1)
    eve = [(2.1, says_router(EVE)), (3.1, is_at(EVE, ANN, claim=gateway.ip))]
    seen = seen_of(every(1.0, [ping(gateway, ANN)] * 6), eve)
    assert seen.count("conflicting_claims", EVE, 3) == 1


def test_an_advertisement_from_afar_makes_nobody_a_router() -> None:
    second = [(9.5, says_router(SECOND, hop_limit=64)), *takes(SECOND, 9.6)]
    assert conflicts(seen_of(is_router(FIRST, 0, 6), second)) == (5, 1)


def test_a_virtual_router_speaks_from_the_address_of_whoever_is_it() -> None:
    own = every(1.0, [ping(FIRST, BOB)] * 6)
    said = every(1.0, [says_router(FIRST, mac=VIRTUAL)] * 6, 0.5)
    assert conflicts(seen_of(own, said)) == (0, 0)


def test_what_is_sent_to_the_router_before_is_not_misdirected() -> None:
    before, after = (Box(0, "203.0.113.5", mac=router.mac) for router in (FIRST, SECOND))
    talk = [
        (1.0, tcp(ANN, before, 9, 80)),
        (1.1, tcp(before, ANN, 80, 9, ttl=50)),
        (10.0, tcp(ANN, before, 9, 80)),
        (10.1, tcp(after, ANN, 80, 9, ttl=50)),
    ]
    seen = seen_of(is_router(FIRST, 0, 6), is_router(SECOND, 9, 15), talk)
    assert conflicts(seen) == (0, 0)
    assert seen.total("misdirected") == 0


def test_more_routers_than_anybody_has_are_strangers() -> None:
    parts = [
        [(5.0 * number, says_router(Box(100 + number))), *takes(Box(100 + number), 5.0 * number)]
        for number in range(MOST + 4)
    ]
    assert conflicts(seen_of(*parts)) == (20, 4)
