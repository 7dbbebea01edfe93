"""What counters of calls to unnamed outside addresses must say of traffic made by hand."""

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.packet import Packet

from tests.agent.builders import ANN, BOB, EVE, GATEWAY, Box, Timed, every, handshake, tcp, udp
from tests.agent.counted_frames import Case

CLOUD = Box(1, "203.0.113.5")
LAIR = Box(1, "192.0.2.66")
SITE = Box(1, "10.9.0.66")  # in another network of the house
LATER = 12  # the first seconds tell nothing


def answer(*addresses: str, to: Box = BOB, **fields: int) -> Packet:
    """Return a DNS answer from the router that names some addresses behind a CNAME."""
    named = [DNSRR(rrname="e.example", type="A", rdata=address) for address in addresses]
    alias = DNSRR(rrname="cam.example", type="CNAME", rdata="e.example")
    message = DNS(id=7, qr=1, qd=DNSQR(qname="cam.example"), an=[alias, *named], **fields)
    return udp(GATEWAY, to, 53, 40_000, bytes(message))


def call(host: Box, server: Box, sport: int = 50_000, dport: int = 443) -> list[Packet]:
    """Return a connection through the router; a server one hop away accepts it."""
    return [
        tcp(host, server, sport, dport, "S"),
        tcp(server, host, dport, sport, "SA", ttl=63),
        tcp(host, server, sport, dport, "A"),
    ]


def begun(*, dns: bool = True) -> list[Timed]:
    """Return how a network looks before: DNS has answered EVE, and somebody is outside."""
    named = [answer(CLOUD.ip, to=EVE)] if dns else []
    return every(0.01, [*named, *call(ANN, CLOUD, 44_000)])


def after(*frames: Packet, dns: bool = True) -> list[Timed]:
    return [*begun(dns=dns), *every(0.01, frames, LATER)]


def silent(host: Box, sport: int, dport: int = 443) -> Packet:
    """Return a call that nobody answers."""
    return tcp(host, LAIR, sport, dport, "S")


def held(
    *times_s: int, server: Box = LAIR, dport: int = 666, data: bytes = b"\0\0", back: bool = False
) -> list[Timed]:
    """Call, and say something in the connection at some times after that; `back`: the server does."""
    word = (
        tcp(server, EVE, dport, 50_000, "PA", ttl=63, data=data)
        if back
        else tcp(EVE, server, 50_000, dport, "PA", data=data)
    )
    words = [(LATER + at_s + 0.1, word) for at_s in times_s]
    return [*after(*call(EVE, server, dport=dport)), *words]


def twice(pause_s: int) -> list[Timed]:
    """Call a server in another network of the house, and again after a while."""
    again = call(EVE, SITE, 50_001, 666)
    return [*after(*call(EVE, SITE, dport=666)), *every(0.01, again, LATER + pause_s)]


LONG = [f"198.51.100.{n}" for n in range(20)]

CASES: dict[str, list[Case]] = {
    "unnamed_opens": [
        Case(lambda: after(*call(EVE, LAIR)), EVE, 1, LATER),
        Case(lambda: after(*call(EVE, LAIR, dport=666)), EVE, 1, LATER),
        # nobody answers, or refuses
        Case(lambda: after(silent(EVE, 50_000)), EVE, 1, LATER),
        Case(
            lambda: after(silent(EVE, 50_000), tcp(LAIR, EVE, 443, 50_000, "RA", ttl=63)),
            EVE,
            1,
            LATER,
        ),
        # one service once a window; a SYN that is sent again is no other call
        Case(lambda: after(*call(EVE, LAIR), *call(EVE, LAIR, 50_001)), EVE, 1, LATER),
        Case(lambda: after(*call(EVE, LAIR), *call(EVE, LAIR, dport=80)), EVE, 2, LATER),
        Case(
            lambda: [*after(silent(EVE, 50_000)), (LATER + 1, silent(EVE, 50_000))],
            EVE,
            0,
            LATER + 1,
        ),
        Case(
            lambda: [*after(silent(EVE, 50_000)), (LATER + 1, silent(EVE, 50_001))],
            EVE,
            1,
            LATER + 1,
        ),
        # named, to whomever, a moment before or long ago
        Case(lambda: after(*call(EVE, CLOUD)), EVE, 0, LATER),
        Case(lambda: after(answer(LAIR.ip), *call(EVE, LAIR)), EVE, 0, LATER),
        Case(lambda: [*after(answer(LAIR.ip)), *every(0.01, call(EVE, LAIR), 7000)], EVE, 0, 7000),
        # on the network, by UDP, or not of its own accord
        Case(lambda: after(*handshake(EVE, BOB, 50_000)), EVE, 0, LATER),
        Case(lambda: after(udp(EVE, LAIR)), EVE, 0, LATER),
        Case(lambda: after(tcp(EVE, LAIR, 80, 50_000, "SA")), EVE, 0, LATER),
        # before it was answered, or in the first seconds, it may have been named unheard
        Case(lambda: after(*call(ANN, LAIR)), ANN, 0, LATER),
        Case(lambda: after(*call(EVE, LAIR), dns=False), EVE, 0, LATER),
        Case(lambda: after(*call(EVE, LAIR, dport=666), dns=False), EVE, 0, LATER),
        Case(
            lambda: [
                *after(*call(EVE, LAIR), dns=False),
                *every(0.01, [answer(CLOUD.ip, to=EVE), *call(EVE, LAIR, 50_001)], 2 * LATER),
            ],
            EVE,
            0,
            2 * LATER,
        ),
        Case(
            lambda: [
                *begun(),
                *every(0.01, call(EVE, LAIR), 5),
                *every(0.01, call(EVE, LAIR, 50_001), LATER),
            ],
            EVE,
            0,
            LATER,
        ),
        # an answer to it that goes on behind what is read, or says to ask by TCP; not one to others
        Case(lambda: after(answer(*LONG, to=EVE), *call(EVE, LAIR)), EVE, 0, LATER),
        Case(lambda: after(answer(tc=1, to=EVE), *call(EVE, LAIR)), EVE, 0, LATER),
        Case(lambda: after(answer(*LONG, to=ANN), *call(EVE, LAIR)), EVE, 1, LATER),
        Case(
            lambda: [
                *after(answer(*LONG, to=EVE)),
                *every(0.01, call(EVE, LAIR), LATER + 61),
            ],
            EVE,
            1,
            LATER + 61,
        ),
        # who asks DNS over TLS is told names that nobody else hears
        Case(lambda: after(*call(EVE, CLOUD, 50_002, 853), *call(EVE, LAIR)), EVE, 0, LATER),
        Case(lambda: after(*call(ANN, CLOUD, 50_002, 853), *call(EVE, LAIR)), EVE, 1, LATER),
    ],
    "unnamed_odd_opens": [
        # in another network of the house, only in haste: again within half a minute
        Case(lambda: twice(30), EVE, 1, LATER + 30),
        Case(lambda: twice(31), EVE, 0, LATER + 31),
        Case(lambda: after(*call(EVE, SITE, dport=666)), EVE, 0, LATER),
        Case(lambda: after(*call(EVE, LAIR, dport=666)), EVE, 1, LATER),
        Case(lambda: after(*call(EVE, LAIR)), EVE, 0, LATER),
        Case(lambda: after(*call(EVE, LAIR, dport=3478)), EVE, 0, LATER),
        # whether DNS was heard or not, from the first second on
        Case(lambda: after(*call(EVE, LAIR, dport=666), dns=False), EVE, 1, LATER),
        Case(lambda: every(0.01, call(EVE, LAIR, dport=666)), EVE, 1),
        Case(lambda: after(*call(EVE, CLOUD, dport=666)), EVE, 0, LATER),
        Case(lambda: after(*handshake(EVE, BOB, 50_000, 666)), EVE, 0, LATER),
    ],
    "unnamed_talks": [
        Case(lambda: held(0, 5), EVE, 1, LATER + 5),
        Case(lambda: held(0, 2), EVE, 0, LATER + 2),  # goes on, after no pause
        Case(lambda: held(0, 5, 7), EVE, 0, LATER + 7),
        Case(lambda: held(0, 5, 10), EVE, 1, LATER + 10),
        Case(lambda: held(0, 45), EVE, 1, LATER + 45),
        Case(lambda: held(0, 30, server=SITE), EVE, 1, LATER + 30),
        Case(lambda: held(0, 45, server=SITE), EVE, 0, LATER + 45),
        Case(lambda: held(5, back=True), LAIR.ip, 0, LATER + 5),  # only who called
        Case(lambda: held(5, dport=443), EVE, 0, LATER + 5),
        Case(lambda: held(5, server=CLOUD), EVE, 0, LATER + 5),  # DNS named it
        Case(lambda: held(5, data=b""), EVE, 0, LATER + 5),  # says nothing
    ],
}
