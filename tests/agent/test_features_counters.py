"""Each counter of the feature schema on traffic made by hand, with the value a person expects."""

import pytest
from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_RA, ICMPv6ND_Redirect
from scapy.packet import Raw

from contract.features import COUNTER_NAMES
from tests.agent.builders import (
    ANN,
    BOB,
    BROADCAST,
    EVE,
    GATEWAY,
    Box,
    every,
    handshake,
    ip,
    is_at,
    observed,
    ping,
    tcp,
    udp,
    who_has,
)
from tests.agent.counted_frames import (
    CROWD,
    GROUP,
    LINK_LOCAL,
    SCAN,
    SWEEP,
    Case,
    dhcp_discover,
    dhcp_offer,
    dns_query,
    dns_response,
    icmp_redirect,
    neighbour,
    now,
    readings,
    unreachable,
)

HELLO = b"hello, broker"
READING = b"reading 02"
REFUSED = b"530 Login incorrect.\r\n"

SERVED = (0, dhcp_offer(GATEWAY, ANN))
INVENTED = every(0.001, [dhcp_offer(Box(0x200 + n), ANN) for n in range(100)], 5)

CASES: dict[str, list[Case]] = {
    "sent_packets": [
        Case(lambda: now(ping(ANN, BOB), who_has(ANN, BOB.ip), tcp(ANN, BOB)), ANN, 3),
    ],
    "sent_bytes": [Case(lambda: now(udp(ANN, BOB, data=bytes(100))), ANN, 14 + 20 + 8 + 100)],
    "received_packets": [
        Case(lambda: now(ping(BOB, ANN), ping(ANN, BOB), ping(ANN, BOB)), BOB, 2),
        Case(lambda: now(ping(BOB, ANN), udp(ANN, GROUP), who_has(ANN, BOB.ip)), BOB, 0),
    ],
    "received_bytes": [
        Case(lambda: now(ping(BOB, ANN), udp(ANN, BOB, data=bytes(58))), BOB, 100),
    ],
    "sent_udp": [Case(lambda: now(udp(ANN, BOB), udp(ANN, GROUP), tcp(ANN, BOB)), ANN, 2)],
    "sent_icmp": [
        Case(lambda: now(ping(ANN, BOB), who_has(ANN, BOB.ip)), ANN, 1),
        Case(lambda: now(neighbour(ANN, ICMPv6ND_RA())), ANN, 1),
        Case(
            lambda: now(ip(ANN, BOB) / ICMP(type=0) / Raw(b"abcd"), unreachable(ANN, BOB)), ANN, 0
        ),
        Case(lambda: now(neighbour(ANN, ICMPv6ND_NA(tgt=LINK_LOCAL))), ANN, 0),
    ],
    "sent_group": [
        Case(lambda: now(udp(ANN, GROUP), who_has(ANN, BOB.ip), ping(ANN, BOB)), ANN, 2)
    ],
    "sent_empty": [
        Case(
            lambda: now(tcp(ANN, BOB, flags="S"), tcp(ANN, BOB, data=b"x"), udp(ANN, BOB)), ANN, 2
        ),
        Case(lambda: now(ip(ANN, GROUP, proto=2) / Raw(bytes(8)), who_has(ANN, BOB.ip)), ANN, 0),
    ],
    "sent_fragments": [
        Case(
            lambda: now(udp(ANN, BOB, flags="MF"), ip(ANN, BOB, frag=3, proto=17) / Raw(bytes(8))),
            ANN,
            2,
        ),
        Case(lambda: now(udp(ANN, BOB, flags="DF")), ANN, 0),
    ],
    "sent_unreachable": [
        Case(lambda: now(unreachable(BOB, EVE), unreachable(BOB, EVE), ping(BOB, EVE)), BOB, 2),
    ],
    "contacted_hosts": [
        Case(lambda: now(*SWEEP), EVE, 12),
        Case(lambda: now(*handshake(ANN, BOB, 40_000)), BOB, 0),
        Case(lambda: now(udp(ANN, BOB), udp(BOB, ANN, 5000, 40_000)), BOB, 0),
        Case(lambda: now(udp(ANN, GROUP), who_has(ANN, BOB.ip)), ANN, 0),
    ],
    "contacted_services": [
        Case(lambda: now(*SCAN, udp(EVE, BOB, dport=53), ping(EVE, BOB)), EVE, 12),
        Case(
            lambda: now(*(tcp(BOB, EVE, port, 50_000 + port, "RA") for port in range(9))), BOB, 0
        ),
    ],
    "new_hosts": [
        Case(lambda: now(*SWEEP), EVE, 12),
        Case(lambda: [*every(0, SWEEP), *every(0, SWEEP, 60)], EVE, 0, 60),
        Case(lambda: [*every(0, SWEEP), *every(0, SWEEP, 301)], EVE, 12, 301),
        Case(lambda: [*every(0, SWEEP), *every(0, [*CROWD, *SWEEP], 9)], EVE, 0, 9),
    ],
    "new_services": [
        Case(lambda: now(*SCAN, *SCAN), EVE, 10),
        Case(lambda: [*every(0, SCAN), *every(0, SCAN, 1), *every(0, SWEEP, 1)], EVE, 12, 1),
    ],
    "ports_of_one_host": [Case(lambda: now(*SCAN, *SWEEP), EVE, 10)],
    "hosts_of_one_port": [Case(lambda: now(*SCAN, *SWEEP), EVE, 13)],
    "flows_to_one_service": [
        Case(lambda: now(*(tcp(EVE, BOB, port, 22, "S") for port in range(500, 507))), EVE, 7),
    ],
    "live_flows": [
        Case(
            lambda: now(*(tcp(EVE, BOB, port, 80, data=b"x") for port in range(500, 540))), EVE, 40
        ),
        Case(lambda: now(*(tcp(EVE, BOB, port, 80, "S") for port in range(500, 540))), EVE, 0),
    ],
    "source_addresses": [
        Case(
            lambda: now(*(udp(Box(7, f"10.0.0.{n}"), BOB) for n in range(5)), udp(Box(7), BOB)),
            Box(7),
            6,
        ),
    ],
    "sent_syn": [
        Case(lambda: now(*handshake(ANN, BOB, 40_000)), ANN, 1),
        Case(lambda: now(*handshake(ANN, BOB, 40_000)), BOB, 0),
        Case(lambda: now(tcp(ANN, BOB, 0, 80, "S")), ANN, 1),
        Case(lambda: now(tcp(ANN, BOB, flags="SEC")), ANN, 1),  # with ECN
    ],
    "sent_syn_ack": [Case(lambda: now(*handshake(ANN, BOB, 40_000)), BOB, 1)],
    "sent_rst": [
        Case(lambda: now(tcp(ANN, BOB, flags="R"), tcp(ANN, BOB, flags="RA")), ANN, 2),
    ],
    "sent_fin": [Case(lambda: now(tcp(ANN, BOB, flags="FA"), tcp(ANN, BOB, flags="F")), ANN, 1)],
    "sent_odd_flags": [
        Case(
            lambda: now(*(tcp(EVE, BOB, flags=f) for f in ("", "F", "FPU", "SF", "SFPA"))), EVE, 5
        ),
        Case(
            lambda: now(
                *(tcp(EVE, BOB, flags=f) for f in ("S", "SA", "A", "PA", "FA", "R", "RA"))
            ),
            EVE,
            0,
        ),
    ],
    "received_syn": [Case(lambda: now(*handshake(ANN, BOB, 40_000)), BOB, 1)],
    "received_syn_ack": [Case(lambda: now(*handshake(ANN, BOB, 40_000)), ANN, 1)],
    "received_rst": [Case(lambda: now(ping(ANN, BOB), tcp(BOB, ANN, flags="RA")), ANN, 1)],
    "sent_data": [Case(lambda: now(tcp(ANN, BOB, data=HELLO), udp(ANN, BOB, data=HELLO)), ANN, 1)],
    "received_data": [Case(lambda: now(ping(BOB, ANN), tcp(ANN, BOB, data=HELLO)), BOB, 1)],
    "sent_data_bytes": [
        Case(lambda: now(tcp(ANN, BOB, data=HELLO), tcp(ANN, BOB, data=b"ab")), ANN, 15)
    ],
    "received_data_bytes": [Case(lambda: now(ping(BOB, ANN), tcp(ANN, BOB, data=HELLO)), BOB, 13)],
    "login_syn": [
        Case(lambda: now(*(tcp(EVE, BOB, 9, port, "S") for port in (22, 23, 3389, 80))), EVE, 3),
    ],
    "telnet_syn": [
        Case(lambda: now(*(tcp(EVE, BOB, 9, port, "S") for port in (23, 2323, 7547, 22))), EVE, 3),
    ],
    "odd_port_syn": [
        Case(
            lambda: now(*(tcp(EVE, BOB, 9, port, "S") for port in (443, 1883, 6667, 48_101))),
            EVE,
            2,
        ),
    ],
    "login_attempts": [
        Case(
            lambda: now(tcp(EVE, BOB, 9, 21, data=b"PASS 1234\r\n"), tcp(EVE, BOB, data=HELLO)),
            EVE,
            1,
        ),
    ],
    "login_refusals": [
        Case(
            lambda: now(ping(EVE, BOB), *(tcp(BOB, EVE, 21, 9, data=REFUSED) for _ in range(3))),
            EVE,
            3,
        ),
        Case(lambda: now(ping(EVE, BOB), udp(BOB, EVE, 21, 9, data=REFUSED)), EVE, 0),
    ],
    "arp_requests": [Case(lambda: now(who_has(ANN, BOB.ip), is_at(ANN, BOB)), ANN, 1)],
    "arp_replies": [Case(lambda: now(who_has(ANN, BOB.ip), is_at(ANN, BOB)), ANN, 1)],
    "arp_targets": [
        Case(lambda: now(*(who_has(EVE, f"192.168.1.{n % 30}") for n in range(60))), EVE, 30),
        Case(lambda: now(who_has(EVE, EVE.ip)), EVE, 0),  # an announcement asks for nobody
    ],
    "unasked_claims": [
        Case(lambda: now(who_has(ANN, BOB.ip), is_at(BOB, ANN)), BOB, 0),
        Case(lambda: now(is_at(BOB, ANN)), BOB, 1),
        Case(lambda: [*now(who_has(ANN, BOB.ip)), (5.0, is_at(BOB, ANN))], BOB, 1, 5),
        Case(lambda: now(who_has(ANN, BOB.ip), is_at(EVE, ANN, claim=GATEWAY.ip)), EVE, 1),
        Case(lambda: now(who_has(EVE, EVE.ip)), EVE, 1),  # gratuitous
        Case(lambda: now(neighbour(EVE, ICMPv6ND_NA(tgt=LINK_LOCAL))), EVE, 1),
    ],
    "pushed_replies": [
        Case(
            lambda: now(is_at(EVE, ANN, claim=GATEWAY.ip), is_at(EVE, ANN, claim=BOB.ip)), EVE, 2
        ),
        Case(lambda: now(who_has(ANN, BOB.ip), is_at(BOB, ANN)), BOB, 0),
        Case(lambda: now(is_at(BOB, BROADCAST), who_has(BOB, BOB.ip)), BOB, 0),
    ],
    "claimed_addresses": [
        Case(lambda: now(*(is_at(EVE, ANN, claim=f"192.168.1.{n}") for n in range(1, 9))), EVE, 8),
        Case(lambda: now(who_has(ANN, BOB.ip), who_has(ANN, EVE.ip)), ANN, 1),
    ],
    "conflicting_claims": [
        Case(lambda: now(ping(ANN, BOB), is_at(EVE, BOB, claim=ANN.ip)), EVE, 1),
        Case(lambda: now(ping(ANN, BOB), is_at(EVE, BOB, claim=ANN.ip)), ANN, 0),
    ],
    "foreign_source": [
        Case(lambda: now(ping(ANN, BOB), tcp(Box(66, ANN.ip), BOB)), EVE, 1),
        Case(lambda: now(ping(ANN, BOB), tcp(Box(66, ANN.ip), BOB)), ANN, 0),
    ],
    "misdirected": [
        Case(
            lambda: now(
                ping(ANN, BOB), ping(BOB, ANN), ping(EVE, BOB), ping(ANN, Box(66, BOB.ip))
            ),
            EVE,
            1,
        ),
    ],
    "icmp_redirects": [
        Case(lambda: now(icmp_redirect(EVE, ANN), ping(EVE, ANN)), EVE, 1),
        Case(lambda: now(neighbour(EVE, ICMPv6ND_Redirect())), EVE, 1),
    ],
    "router_advertisements": [
        Case(
            lambda: [
                (0, neighbour(GATEWAY, ICMPv6ND_RA())),
                *((n, neighbour(EVE, ICMPv6ND_RA())) for n in (1, 1.5)),
            ],
            EVE,
            2,
            1,
        ),
        Case(lambda: now(neighbour(GATEWAY, ICMPv6ND_RA())), GATEWAY, 0),
    ],
    "payloads": [
        Case(
            lambda: now(
                tcp(ANN, BOB, data=HELLO),
                udp(ANN, BOB, data=HELLO),
                udp(ANN, BOB, data=b"short"),
                udp(ANN, GROUP, data=HELLO),
                ping(ANN, BOB),
            ),
            ANN,
            2,
        ),
        Case(lambda: now(*(udp(ANN, BOB, data=bytes(size)) for size in (64, 65))), ANN, 1),
    ],
    "borrowed_payloads": [
        Case(lambda: now(udp(ANN, BOB, data=HELLO), udp(EVE, BOB, data=HELLO)), EVE, 1),
        Case(lambda: now(udp(ANN, BOB, data=HELLO), udp(EVE, GATEWAY, data=HELLO)), EVE, 0),
        Case(lambda: now(udp(ANN, BOB, data=HELLO), udp(EVE, BOB, data=HELLO)), ANN, 0),
        # servers that answer one port of a client alike borrow nothing
        Case(lambda: now(*(udp(who, BOB, 53, 40_000, HELLO) for who in (ANN, EVE))), EVE, 0),
        Case(
            lambda: [(0, udp(ANN, BOB, data=HELLO)), (500, udp(EVE, BOB, data=HELLO))], EVE, 1, 500
        ),
        # what its owner says again after another has said it is everybody's
        Case(
            lambda: now(*(udp(who, BOB, data=HELLO) for who in (ANN, EVE, EVE, ANN, EVE))), EVE, 2
        ),
        Case(
            lambda: every(1, [udp(who, BOB, data=HELLO) for who in (ANN, EVE, ANN, EVE)]),
            EVE,
            0,
            3,
        ),
    ],
    "own_repeats": [
        Case(lambda: now(*(udp(ANN, BOB, port, data=HELLO) for port in (1, 2, 3))), ANN, 2),
        Case(lambda: now(*(udp(ANN, BOB, 1, data=HELLO) for _ in range(3))), ANN, 0),
    ],
    "flow_repeats": [
        Case(lambda: now(*(udp(ANN, BOB, 1, data=HELLO) for _ in range(3))), ANN, 2),
        Case(lambda: now(*(tcp(ANN, BOB, seq=seq, data=HELLO) for seq in (1, 14, 27))), ANN, 2),
    ],
    "odd_repeats": [
        Case(lambda: [*readings(20), (2.0, udp(EVE, BOB, 7, data=READING))], EVE, 1, 2),
        Case(lambda: [*readings(20), (2.0, udp(ANN, BOB, 7, data=READING))], ANN, 1, 2),
        Case(lambda: [*readings(3), (2.0, udp(EVE, BOB, 7, data=READING))], EVE, 0, 2),
        # where most payloads of that size come again, one more says nothing
        Case(
            lambda: [*readings(20), *readings(20, 1.0, 9), (2.0, udp(EVE, BOB, 7, data=READING))],
            EVE,
            0,
            2,
        ),
        Case(lambda: [*readings(20), *readings(20, 1.0, 9), *readings(20, 2.0, 8)], ANN, 0, 2),
        # nor, once most of them do, one more of what was odd before
        Case(
            lambda: [
                *readings(20),
                (2.0, udp(EVE, BOB, 7, data=READING)),
                *readings(20, 3.0, 9),
                (5.0, udp(EVE, BOB, 8, data=READING)),
            ],
            EVE,
            0,
            5,
        ),
        Case(lambda: [*readings(20), (2.0, udp(ANN, BOB, data=READING))], ANN, 0, 2),  # asks again
    ],
    "replayed_frames": [
        Case(lambda: [(t, tcp(ANN, BOB, seq=9, data=HELLO, id=77)) for t in (0, 1)], ANN, 1, 1),
        Case(lambda: [(t, udp(ANN, BOB, data=HELLO, id=77)) for t in (0, 1)], ANN, 1, 1),
        Case(lambda: [(t, udp(ANN, BOB, data=HELLO, id=77)) for t in (0, 0.1)], ANN, 0),  # an echo
        Case(lambda: [(t, udp(ANN, BOB, data=HELLO, id=0)) for t in (0, 1)], ANN, 0, 1),
        Case(lambda: [(n, udp(ANN, BOB, data=HELLO, id=77 + n)) for n in (0, 1)], ANN, 0, 1),
        Case(lambda: [(n, tcp(ANN, BOB, seq=9, data=HELLO, id=1 + n)) for n in (0, 1)], ANN, 0, 1),
        Case(lambda: [(n, tcp(ANN, BOB, seq=9, data=HELLO, id=0)) for n in (0, 20)], ANN, 1, 20),
    ],
    "retransmissions": [
        Case(lambda: now(*(tcp(ANN, BOB, seq=9, data=HELLO) for _ in range(3))), ANN, 2),
        Case(lambda: [(t, tcp(ANN, BOB, seq=9, data=HELLO)) for t in (0, 20)], ANN, 0, 20),
    ],
    "opens": [
        Case(lambda: now(*handshake(ANN, BOB, 40_000), *handshake(ANN, BOB, 40_001)), ANN, 2),
        Case(lambda: now(*handshake(ANN, BOB, 40_000)), BOB, 0),
    ],
    "open_gap": [
        Case(
            lambda: every(0.25, [tcp(ANN, BOB, port, flags="S") for port in (1, 2, 3)]), ANN, 0.5
        ),
        Case(lambda: every(7, [tcp(ANN, BOB, port, flags="S") for port in (1, 2, 3)]), ANN, 7, 14),
    ],
    "open_gap_squared": [
        Case(
            lambda: every(0.25, [tcp(ANN, BOB, port, flags="S") for port in (1, 2, 3)]), ANN, 0.125
        ),
    ],
    "active_windows": [Case(lambda: now(ping(ANN, BOB), ping(ANN, BOB)), ANN, 1)],
    "dns_queries": [Case(lambda: now(dns_query(ANN, GATEWAY), udp(ANN, GATEWAY)), ANN, 1)],
    "dns_responses": [
        Case(lambda: now(dns_query(ANN, GATEWAY), dns_response(GATEWAY, ANN)), GATEWAY, 1),
    ],
    "dns_failures": [
        Case(lambda: now(dns_query(ANN, GATEWAY), dns_response(GATEWAY, ANN, rcode=3)), ANN, 1),
        Case(lambda: now(dns_query(ANN, GATEWAY), dns_response(GATEWAY, ANN)), ANN, 0),
    ],
    "dns_conflicts": [
        Case(
            lambda: now(
                dns_query(ANN, GATEWAY),
                dns_response(Box(66, GATEWAY.ip), ANN),
                dns_response(GATEWAY, ANN),
            ),
            GATEWAY,
            1,
        ),
        Case(lambda: now(*(dns_response(GATEWAY, ANN) for _ in range(3))), GATEWAY, 0),
    ],
    "dhcp_requests": [Case(lambda: now(dhcp_discover(ANN, ANN.mac)), ANN, 1)],
    "dhcp_clients": [
        Case(
            lambda: now(*(dhcp_discover(EVE, f"06:00:00:00:00:{n:02x}") for n in range(20))),
            EVE,
            20,
        ),
    ],
    "dhcp_serving": [Case(lambda: now(dhcp_offer(GATEWAY, ANN)), GATEWAY, 1)],
    "dhcp_rivalry": [
        Case(lambda: [(0, dhcp_offer(GATEWAY, ANN)), (9, dhcp_offer(EVE, ANN))], EVE, 1, 9),
        Case(
            lambda: [(0, dhcp_offer(GATEWAY, ANN)), (9, dhcp_offer(GATEWAY, BOB))], GATEWAY, 0, 9
        ),
        Case(lambda: [SERVED, *INVENTED, (9, dhcp_offer(GATEWAY, BOB))], GATEWAY, 0, 9),
        Case(lambda: [SERVED, *INVENTED], Box(0x240), 1, 5),
    ],
}


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(name, case, id=f"{name}-{i}")
        for name, cs in CASES.items()
        for i, case in enumerate(cs)
    ],
)
def test_a_counter_says_what_the_schema_promises(name: str, case: Case) -> None:
    assert observed(case.frames()).count(name, case.who, case.window) == pytest.approx(case.value)


def test_every_counter_of_the_schema_has_a_case() -> None:
    assert set(CASES) == set(COUNTER_NAMES)
