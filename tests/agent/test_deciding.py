"""Which flow shows an attack best: the one to ask other tools about, or none."""

from collections.abc import Iterable

import numpy as np
import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.packet import Raw

from agent.deciding import deciding_flow
from agent.flows import MAX_FLOWS
from agent.records import FrameBatch
from contract.attacks import AttackType
from contract.community_id import community_id
from contract.messages import Flow
from tests.agent.builders import (
    ANN,
    BOB,
    EVE,
    GATEWAY,
    Box,
    Timed,
    batch,
    closed,
    every,
    flood,
    handshake,
    is_at,
    joined,
    ping,
    tcp,
    udp,
)

STREAM = every(0.01, [udp(EVE, ANN, 6000, 6001, b"video") for _ in range(90)])


def shown(frames: FrameBatch | Iterable[Timed], attack: AttackType, who: Box = EVE) -> Flow | None:
    window = closed(frames)
    (row,) = np.flatnonzero(window.observations.src_mac == who.mac_number)
    return deciding_flow(window, int(row), attack)


def ends(flow: Flow | None) -> tuple[str, int, str, int, int] | None:
    if flow is None:
        return None
    return flow.src_ip, flow.src_port, flow.dst_ip, flow.dst_port, flow.protocol


def test_of_a_flood_it_is_the_largest_flow_to_the_service_that_is_flooded():
    syns = [tcp(EVE, BOB, 1000 + n % 50, 80, "S") for n in range(400)]
    syns += [tcp(EVE, BOB, 1007, 80, "S")] * 3
    found = shown([*STREAM, *every(0.001, syns)], "DOS")
    assert ends(found) == (EVE.ip, 1007, BOB.ip, 80, 6)
    assert found is not None
    assert found.packets == 11


def test_of_a_scan_it_is_a_probe_and_not_what_the_host_does_beside_it():
    probes = every(0.005, [tcp(EVE, BOB, 5000, port, "S") for port in range(100, 140)])
    assert ends(shown([*STREAM, *probes], "Scan")) == (EVE.ip, 5000, BOB.ip, 100, 6)


def test_of_guessed_passwords_it_is_the_connection_in_which_most_were_told():
    frames = [*handshake(EVE, BOB, 3000, 21), *handshake(EVE, BOB, 3001, 21)]
    frames += [tcp(EVE, BOB, 3000, 21, "PA", data=b"PASS one\r\n", seq=2)]
    frames += [tcp(EVE, BOB, 3001, 21, "PA", data=b"PASS %d\r\n" % n, seq=9 * n) for n in range(9)]
    assert ends(shown([*STREAM, *every(0.01, frames)], "BruteForce")) == (
        EVE.ip,
        3001,
        BOB.ip,
        21,
        6,
    )


def test_of_a_man_in_the_middle_it_is_a_flow_of_others_that_passes_through():
    known = every(0.01, [udp(ANN, GATEWAY, 4000, 53), udp(GATEWAY, ANN, 53, 4000)])
    mine = Box(66, ANN.ip)  # with the address of another
    passed = every(0.01, [udp(mine, GATEWAY, 4001, 443, b"x") for _ in range(20)], at_s=0.3)
    frames = [*known, *every(0.01, [is_at(EVE, ANN, claim=GATEWAY.ip)] * 9), *passed, *STREAM]
    assert ends(shown(frames, "MITM")) == (ANN.ip, 4001, GATEWAY.ip, 443, 17)


def test_what_is_done_by_arp_alone_has_no_flow():
    poison = every(0.01, [is_at(EVE, ANN, claim=GATEWAY.ip) for _ in range(30)])
    assert shown([*poison, *STREAM], "MITM") is None


def test_what_was_not_replayed_has_no_flow_of_a_replay():
    assert shown(STREAM, "Replay") is None


@pytest.mark.parametrize("count", [500, MAX_FLOWS + 20_000])
def test_a_flood_of_invented_sources_has_no_flow(count: int):
    sources = np.random.default_rng(1).integers(1 << 24, 1 << 31, count)
    frames = flood(tcp(EVE, BOB, 1000, 80, "S"), count, {(26, 4): sources})
    own = batch([(0.999, udp(EVE, BOB, 6000, 6001, b"x"))])
    assert shown(joined(frames, own), "DOS") is None


def test_a_flood_of_more_flows_than_are_kept_still_has_one_where_it_is_told_whole():
    count = MAX_FLOWS + 20_000
    numbers = np.arange(count)
    frames = flood(
        tcp(EVE, BOB, 1, 80, "S"), count, {(34, 2): numbers % 60_000 + 1, (38, 4): numbers}
    )
    found = shown(frames, "DOS")
    assert found is not None
    assert (found.dst_ip, found.dst_port) == (BOB.ip, 80)
    assert found.src_port > 0  # of those that were folded it is gone


def test_of_icmp_type_and_code_are_told_as_the_specification_wants_them():
    found = shown(every(0.01, [ping(EVE, BOB)] * 40), "DOS")
    assert ends(found) == (EVE.ip, 8, BOB.ip, 0, 1)
    unreachable = IP(src=EVE.ip, dst=BOB.ip) / ICMP(type=3, code=1) / Raw(b"x" * 28)
    head = ping(EVE, BOB)
    head.remove_payload()
    found = shown(every(0.01, [head / unreachable] * 40), "DOS")
    assert ends(found) == (EVE.ip, 3, BOB.ip, 1, 1)


def test_a_flow_of_ipv6_has_its_name_too():
    head = ping(EVE, BOB)
    head.remove_payload()
    asked = head / IPv6(src="fe80::66", dst="fe80::11") / ICMPv6EchoRequest(data=b"x")
    found = shown(every(0.01, [asked] * 40), "DOS")
    assert ends(found) == ("fe80::66", 128, "fe80::11", 0, 58)
    assert found is not None
    assert community_id(found) is not None


def test_later_fragments_name_no_flow():
    head = ping(EVE, BOB)
    head.remove_payload()
    later = IP(src=EVE.ip, dst=BOB.ip, proto=17, frag=100, flags="MF") / Raw(b"x" * 64)
    assert shown(every(0.01, [head / later] * 40), "DOS") is None
