"""Frames by which single counters of the feature schema are told, and what a person expects of them."""

from collections.abc import Callable
from typing import NamedTuple

from scapy.layers.dhcp import BOOTP
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet, Raw

from tests.agent.builders import (
    ANN,
    BOB,
    BROADCAST,
    EVE,
    Box,
    Timed,
    ether,
    every,
    ip,
    ping,
    tcp,
    udp,
)

LINK_LOCAL = "fe80::10"
GROUP = Box(0, "224.0.0.251", mac="01:00:5e:00:00:fb")
ALL_NODES = Box(0, mac="33:33:00:00:00:01")
SCAN = [tcp(EVE, BOB, 50_000 + port, port, "S") for port in range(20, 30)]
SWEEP = [tcp(EVE, Box(100 + n), 50_000, 23, "S") for n in range(12)]
CROWD = [ping(Box(n), BOB) for n in range(200, 230)]


class Case(NamedTuple):
    """What is sent, who is asked about, and what the counter must say in the given window."""

    frames: Callable[[], list[Timed]]
    who: Box | str  # a box, or an IP behind a router
    value: float
    window: int = 0


def now(*frames: Packet) -> list[Timed]:
    return every(0.01, frames)


def readings(count: int, at_s: float = 0.0, sport: int = 40_000) -> list[Timed]:
    """Return readings of one size, each another."""
    return every(
        0.01, (udp(ANN, BOB, sport, data=b"reading %02d" % n) for n in range(count)), at_s
    )


def dns_query(client: Box, server: Box, number: int = 7, sport: int = 40_000) -> Packet:
    question = DNS(id=number, qd=DNSQR(qname="cam.example"))
    return udp(client, server, sport, 53, bytes(question))


def dns_response(server: Box, client: Box, number: int = 7, rcode: int = 0) -> Packet:
    answer = DNS(id=number, qr=1, rcode=rcode, qd=DNSQR(qname="cam.example"))
    return udp(server, client, 53, 40_000, bytes(answer))


def dhcp_discover(sender: Box, client: str) -> Packet:
    message = BOOTP(op=1, chaddr=bytes.fromhex(client.replace(":", "")))
    nobody = Box(0, "0.0.0.0", mac=sender.mac)  # noqa: S104
    return udp(nobody, BROADCAST, 68, 67, bytes(message))


def dhcp_offer(server: Box, client: Box) -> Packet:
    message = BOOTP(op=2, chaddr=bytes.fromhex(client.mac.replace(":", "")))
    return udp(server, client, 67, 68, bytes(message))


def icmp_redirect(sender: Box, victim: Box) -> Packet:
    return ip(sender, victim) / ICMP(type=5, code=1) / Raw(bytes(IP(src=victim.ip)))


def unreachable(sender: Box, receiver: Box) -> Packet:
    return ip(sender, receiver) / ICMP(type=3, code=3) / Raw(bytes(IP(src=receiver.ip)))


def neighbour(sender: Box, message: Packet, receiver: Box = ALL_NODES) -> Packet:
    return ether(sender, receiver) / IPv6(src=LINK_LOCAL, dst="ff02::1", hlim=255) / message
