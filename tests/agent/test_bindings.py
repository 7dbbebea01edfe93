"""Whose an address is: what counts as its use, and from where a packet may have come."""

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet

from tests.agent.builders import (
    ANN,
    BOB,
    EVE,
    GATEWAY,
    Box,
    ether,
    every,
    is_at,
    mapped,
    observed,
    ping,
    tcp,
    who_has,
)

SERVER = Box(0, "203.0.113.5", mac=GATEWAY.mac)


@pytest.mark.parametrize("ttl", [1, 32, 64, 128, 255])
def test_a_hop_limit_that_stacks_start_with_speaks_for_the_link(ttl: int) -> None:
    frames = [tcp(ANN, SERVER, 9, 80), tcp(SERVER, ANN, 80, 9, ttl=ttl)]
    assert observed(every(0.01, frames)).rows.is_ip_host.sum() == 0


@pytest.mark.parametrize("ttl", [2, 31, 33, 63, 65, 127, 129, 254])
def test_any_other_hop_limit_speaks_for_a_router_between(ttl: int) -> None:
    frames = [tcp(ANN, SERVER, 9, 80), tcp(SERVER, ANN, 80, 9, ttl=ttl)]
    assert observed(every(0.01, frames)).rows.is_ip_host.sum() == 1


def test_an_address_that_nobody_answers_may_be_invented() -> None:
    assert observed([(0, tcp(SERVER, ANN, 80, 9, ttl=50))]).rows.is_ip_host.sum() == 0


def test_an_address_that_is_answered_through_another_mac_may_be_invented() -> None:
    invented = Box(66, SERVER.ip)
    frames = [tcp(invented, ANN, 80, 9, ttl=50), tcp(ANN, SERVER, 9, 80)]
    assert observed(every(0.01, frames)).rows.is_ip_host.sum() == 0


def test_asking_by_arp_uses_an_address() -> None:
    seen = observed([(0, who_has(ANN, BOB.ip)), (1, ping(Box(66, ANN.ip), BOB))])
    assert seen.count("foreign_source", EVE, 1) == 1


def test_answering_by_arp_only_asserts_it() -> None:
    seen = observed([(0, is_at(EVE, BOB, claim=ANN.ip)), (1, ping(ANN, BOB))])
    assert seen.count("foreign_source", ANN, 1) == 0


def test_a_first_reply_holds_against_a_second_one() -> None:
    seen = observed([(0, is_at(ANN, BOB)), (1, is_at(EVE, BOB, claim=ANN.ip))])
    assert seen.count("conflicting_claims", EVE, 1) == 1


def test_what_is_sent_to_an_address_that_nobody_holds_is_not_misdirected() -> None:
    unheard = Box(0, "198.51.100.77", mac=GATEWAY.mac)
    seen = observed(every(0.01, [ping(GATEWAY, ANN), tcp(ANN, unheard, 9, 80)]))
    assert seen.count("received_packets", GATEWAY) == 1
    assert seen.count("misdirected", GATEWAY) == 0


def udp6(src: Box, source: str) -> Packet:
    return ether(src, BOB) / IPv6(src=source, dst="fe80::11") / UDP(sport=9, dport=9)


@pytest.mark.parametrize(
    "group",
    ["224.0.0.0", "224.0.0.251", "239.255.255.250", "255.255.255.255", "0.0.0.0"],  # noqa: S104
)
def test_group_addresses_belong_to_nobody(group: str) -> None:
    frames = [ping(Box(n, group), BOB) for n in (10, 66, 10, 66)]
    assert observed(every(0.01, frames)).total("foreign_source") == 0


@pytest.mark.parametrize("group", ["ff02::1", "ff0e::fb", "::"])
def test_ipv6_group_addresses_belong_to_nobody(group: str) -> None:
    frames = [udp6(box, group) for box in (ANN, EVE, ANN, EVE)]
    assert observed(every(0.01, frames)).total("foreign_source") == 0


@pytest.mark.parametrize("source", ["fe00::1", "fe80::1", "2001:db8::1", "fd00::1"])
def test_ipv6_addresses_of_hosts_belong_to_somebody(source: str) -> None:
    frames = [udp6(box, source) for box in (ANN, EVE)]
    assert observed(every(0.01, frames)).count("foreign_source", EVE) == 1


def test_the_last_address_before_the_groups_belongs_to_somebody() -> None:
    frames = [ping(Box(n, "223.255.255.255"), BOB) for n in (10, 66)]
    assert observed(every(0.01, frames)).count("foreign_source", EVE) == 1


def test_who_once_spoke_for_the_link_stays_on_it_whatever_hop_limit_comes_later() -> None:
    odd = [tcp(ANN, BOB, 9, 80), tcp(BOB, ANN, 80, 9, ttl=61)]
    seen = observed([(0, who_has(BOB, ANN.ip)), *every(0.01, odd, 5), *every(0.01, odd, 400)])
    assert seen.rows.is_ip_host.sum() == 0


def test_whose_address_is_taken_while_it_is_silent_does_not_move_behind_the_taker() -> None:
    thief = Box(66, BOB.ip)
    stolen = [tcp(thief, ANN, 9, 80, ttl=63), tcp(ANN, thief, 80, 9)]
    frames = [(0, ping(BOB, ANN)), *((70 + at, frame) for at, frame in enumerate(stolen * 3))]
    assert observed(frames).rows.is_ip_host.sum() == 0


def test_a_server_that_is_known_needs_no_answer_in_every_window() -> None:
    answered = [tcp(ANN, SERVER, 9, 80), tcp(SERVER, ANN, 80, 9, ttl=50)]
    seen = observed([*every(0.01, answered), (3, tcp(SERVER, ANN, 80, 9, ttl=50))])
    assert seen.count("sent_packets", SERVER.ip, 3) == 1


def test_who_only_asks_is_said_to_turn_to_the_address_it_asked_for() -> None:
    seen = observed([(0, who_has(ANN, BOB.ip))])
    assert seen.rows.dst_ip_low[seen.row(ANN)] == mapped(BOB.ip)
