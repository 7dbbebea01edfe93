"""What counters of claims, of repeats, of pauses and of services must say of traffic made by hand."""

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_RA, ICMPv6ND_Redirect

from tests.agent.builders import (
    ANN,
    BOB,
    BROADCAST,
    EVE,
    GATEWAY,
    Box,
    every,
    handshake,
    is_at,
    ping,
    tcp,
    udp,
    who_has,
)
from tests.agent.counted_calls import CLOUD, LATER, after, begun
from tests.agent.counted_frames import (
    GROUP,
    LINK_LOCAL,
    Case,
    dhcp_discover,
    dhcp_offer,
    dns_query,
    dns_response,
    icmp_redirect,
    neighbour,
    now,
    readings,
)

HELLO = b"hello, broker"
READING = b"reading 02"

SERVED = (0, dhcp_offer(GATEWAY, ANN))
INVENTED = every(0.001, [dhcp_offer(Box(0x200 + n), ANN) for n in range(100)], 5)

CASES: dict[str, list[Case]] = {
    "arp_requests": [Case(lambda: now(who_has(ANN, BOB.ip), is_at(ANN, BOB)), ANN, 1)],
    "arp_replies": [Case(lambda: now(who_has(ANN, BOB.ip), is_at(ANN, BOB)), ANN, 1)],
    "arp_targets": [
        Case(lambda: now(*(who_has(EVE, f"192.168.1.{n % 30}") for n in range(60))), EVE, 30),
        Case(lambda: now(who_has(EVE, EVE.ip)), EVE, 0),  # an announcement asks for nobody
        # who is not there is asked for again and again
        Case(lambda: every(1, [who_has(EVE, BOB.ip)] * 3), EVE, 0, 2),
        Case(lambda: [(0, who_has(EVE, BOB.ip)), (62, who_has(EVE, BOB.ip))], EVE, 1, 62),
        Case(lambda: every(1, [who_has(ANN, BOB.ip), who_has(EVE, BOB.ip)]), EVE, 1, 1),
        # a router asks for others; who only takes calls that are meant for it does not pass for one
        Case(lambda: after(who_has(GATEWAY, BOB.ip)), GATEWAY, 0, LATER),
        Case(lambda: after(who_has(ANN, BOB.ip)), ANN, 1, LATER),
        Case(
            lambda: [
                *begun(),
                *every(0.01, [tcp(ANN, Box(66, CLOUD.ip), 44_001, 443, "S")], 5),
                (LATER, who_has(EVE, BOB.ip)),
            ],
            EVE,
            1,
            LATER,
        ),
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
        # its own, which it uses: the question went unseen; one that it only asserts
        Case(lambda: now(ping(BOB, ANN), is_at(BOB, ANN), is_at(BOB, EVE)), BOB, 0),
        Case(lambda: now(is_at(BOB, ANN), is_at(BOB, EVE)), BOB, 2),
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
        # a router shows a shorter way; somebody speaks in its name
        Case(lambda: after(icmp_redirect(GATEWAY, ANN)), GATEWAY, 0, LATER),
        Case(lambda: after(icmp_redirect(Box(66, GATEWAY.ip), ANN)), EVE, 1, LATER),
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
        # a border router of another network, which is no way out
        Case(
            lambda: [
                (0, neighbour(GATEWAY, ICMPv6ND_RA())),
                (1, neighbour(BOB, ICMPv6ND_RA(routerlifetime=0))),
            ],
            BOB,
            0,
            1,
        ),
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
        # who happens to ask DNS the same under the same number borrows nothing
        Case(lambda: now(dns_query(ANN, BOB), dns_query(EVE, BOB)), EVE, 0),
        # bulbs listen where clients' ports are
        Case(lambda: now(*(udp(who, BOB, 40_111, 56_700, HELLO) for who in (ANN, EVE))), EVE, 1),
        Case(lambda: now(*(udp(who, BOB, 56_700, 40_111, HELLO) for who in (ANN, EVE))), EVE, 0),
        # devices of a kind ask for the time in the same words
        Case(lambda: now(*(udp(who, BOB, dport=123, data=HELLO) for who in (ANN, EVE))), EVE, 0),
        # what a third says too is everybody's, at once or later
        Case(lambda: now(*(udp(who, BOB, data=HELLO) for who in (ANN, EVE, GATEWAY))), GATEWAY, 0),
        Case(
            lambda: every(1, [udp(w, BOB, data=HELLO) for w in (ANN, EVE, GATEWAY)]), GATEWAY, 0, 2
        ),
        Case(
            lambda: now(*(udp(w, BOB, data=HELLO) for w in (ANN, EVE, EVE, GATEWAY, EVE))), EVE, 2
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
