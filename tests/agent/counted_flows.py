"""What counters of volume, of contacts and of TCP must say of traffic made by hand."""

from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_RA
from scapy.packet import Raw

from tests.agent.builders import (
    ANN,
    BOB,
    EVE,
    Box,
    every,
    handshake,
    ip,
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
    neighbour,
    now,
    unreachable,
)

HELLO = b"hello, broker"
DENIED, FOUND = b"HTTP/1.1 401 Unauthorized\r\n", b"HTTP/1.1 200 OK\r\n"
GUESS = b"PASS 1234\r\n"
REFUSED = b"530 Login incorrect.\r\n"

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
    "received_unreachable": [
        Case(lambda: now(unreachable(BOB, EVE), unreachable(BOB, EVE), ping(EVE, BOB)), EVE, 2),
        Case(lambda: now(unreachable(BOB, EVE)), BOB, 0),
    ],
    "sent_discovery": [
        Case(
            lambda: now(
                udp(ANN, GROUP, 5353, 5353),
                udp(ANN, GROUP, dport=1900),
                udp(ANN, BOB, dport=3702),
                udp(ANN, BOB, dport=53),
                udp(ANN, BOB, 1900, 40_000),
                tcp(ANN, BOB, 40_000, 1900),
            ),
            ANN,
            3,
        ),
    ],
    "sent_unreturned": [
        Case(lambda: now(udp(ANN, BOB), udp(ANN, BOB, 41_000), tcp(ANN, BOB, flags="R")), ANN, 3),
        Case(lambda: now(udp(ANN, BOB), udp(BOB, ANN, 5000, 40_000)), ANN, 0),
        Case(lambda: now(udp(ANN, GROUP), ping(ANN, BOB), who_has(ANN, BOB.ip)), ANN, 0),
        Case(lambda: now(ip(ANN, BOB, proto=47) / Raw(bytes(8))), ANN, 1),
        # a transfer is acknowledged now and then
        Case(lambda: now(*[udp(ANN, BOB)] * 49, udp(BOB, ANN, 5000, 40_000)), ANN, 0),
        Case(lambda: now(*[udp(ANN, BOB)] * 51, udp(BOB, ANN, 5000, 40_000)), ANN, 51),
    ],
    "unreturned_bytes": [
        Case(lambda: now(udp(ANN, BOB, data=bytes(58)), ping(ANN, BOB)), ANN, 100),
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
        # who is found by a search answers; who speaks to another port turns to it
        Case(lambda: now(udp(BOB, GROUP, 5353, 1900), udp(ANN, BOB, 1900, 5353)), ANN, 0),
        Case(lambda: now(udp(BOB, GROUP, 5353, 1900), udp(ANN, BOB, 1900, 5354)), ANN, 1),
        Case(lambda: [(0, udp(BOB, GROUP, 5353)), (40, udp(ANN, BOB, 1900, 5353))], ANN, 1, 40),
        # a protocol of IP is a service
        Case(lambda: now(*(ip(EVE, BOB, proto=n) / Raw(bytes(8)) for n in range(90, 98))), EVE, 8),
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
            lambda: now(tcp(EVE, BOB, 9, 21, data=GUESS), tcp(EVE, BOB, data=HELLO)),
            EVE,
            1,
        ),
        # who sends the same words again does not guess, whoever sent them first
        Case(lambda: now(*(tcp(EVE, BOB, port, 21, data=GUESS) for port in (8, 9))), EVE, 1),
        Case(lambda: now(*(tcp(who, BOB, 40_000, 21, data=GUESS) for who in (ANN, EVE))), EVE, 0),
        Case(
            lambda: now(*(tcp(EVE, BOB, 9, 21, data=b"PASS %d" % n) for n in range(10, 14))),
            EVE,
            4,
        ),
        # nor does who is let in
        Case(
            lambda: now(
                *(tcp(EVE, BOB, 9, 21, data=b"PASS %d" % number) for number in (10, 11)),
                tcp(BOB, EVE, 21, 9, data=b"230 Welcome"),
                tcp(EVE, BOB, 8, 21, data=b"PASS 12"),
            ),
            EVE,
            1,
        ),
        # of a longer message nobody knows what follows its head
        Case(
            lambda: now(*(tcp(EVE, BOB, port, 21, data=GUESS + bytes(60)) for port in (8, 9))),
            EVE,
            2,
        ),
    ],
    "login_refusals": [
        Case(
            lambda: now(ping(EVE, BOB), *(tcp(BOB, EVE, 21, 9, data=REFUSED) for _ in range(3))),
            EVE,
            3,
        ),
        Case(lambda: now(ping(EVE, BOB), udp(BOB, EVE, 21, 9, data=REFUSED)), EVE, 0),
        # a camera's first refusal is how it asks for the password, in one connection or two
        Case(
            lambda: now(
                ping(EVE, BOB),
                *(tcp(BOB, EVE, 80, port, data=said) for port, said in ((9, DENIED), (8, FOUND))),
            ),
            EVE,
            0,
        ),
        Case(
            lambda: now(
                ping(EVE, BOB),
                *(tcp(BOB, EVE, 80, 9, data=said) for said in (DENIED, DENIED, FOUND)),
            ),
            EVE,
            2,
        ),
        Case(
            lambda: now(
                ping(EVE, BOB),
                tcp(BOB, EVE, 80, 9, data=DENIED),
                tcp(BOB, ANN, 80, 9, data=FOUND),
            ),
            EVE,
            1,
        ),
        # a program whose password was changed
        Case(
            lambda: now(
                *(
                    frame
                    for port in (7, 8, 9)
                    for frame in (
                        tcp(EVE, BOB, port, 21, data=GUESS),
                        tcp(BOB, EVE, 21, port, data=REFUSED),
                    )
                )
            ),
            EVE,
            1,
        ),
    ],
}
