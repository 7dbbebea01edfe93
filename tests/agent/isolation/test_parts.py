"""Cuts smaller than a host, on a real bridge: what is cut off, and what goes on."""

import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent.errors import IsolationError
from agent.exempt import Exempt, Exemption
from agent.isolation import Isolator, Lease
from agent.isolation.bridge_port import BridgePortIsolator
from agent.isolation.guard import ExemptError, Guard
from agent.isolation.nft import NftIsolator
from contract.cuts import SLOWED_TO, Part, PartKind
from tests.agent.isolation.lab import Lab
from tests.agent.isolation.response import started

pytestmark = pytest.mark.root

SECOND_NS = 1_000_000_000
ID = "0123456789abcdef" * 2
BOX_IP = "10.77.0.254"
PATIENCE_S = 10.0

# Says whether a connection to an address and port is made or refused, which is an answer too.
KNOCK = """
import socket, sys
with socket.socket() as probe:
    probe.settimeout(0.6)
    try:
        probe.connect((sys.argv[1], int(sys.argv[2])))
    except ConnectionRefusedError:
        print("answered")
    except OSError:
        print("silence")
    else:
        print("answered")
"""
SHOUT = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
    for _ in range(int(sys.argv[3])):
        mouth.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
"""
# Counts datagrams until none has come for a while.
COUNT = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
    ear.bind((sys.argv[1], int(sys.argv[2])))
    ear.settimeout(3.0)
    print("listening", flush=True)
    count = 0
    try:
        while True:
            ear.recv(10)
            count += 1
            ear.settimeout(0.5)
    except TimeoutError:
        print(count)
"""


@pytest.fixture
async def nft(built: Lab) -> AsyncIterator[NftIsolator]:
    made = built.isolator()
    yield made
    await made.clear()


@pytest.fixture
def box(built: Lab) -> Any:
    """Give the box an address on the bridge: the one that the suspect may still talk to."""
    built.on_box("ip", "address", "add", f"{BOX_IP}/24", "dev", "br0")
    yield BOX_IP
    built.on_box("ip", "address", "flush", "dev", "br0")
    built.on_box("ip", "neighbour", "flush", "all")


def lease(seconds: float = 60, **what: Any) -> Lease:
    until_ns = time.time_ns() + int(seconds * SECOND_NS)
    return Lease(isolation_id=ID, expires_ns=until_ns, **what)


def knocks(built: Lab, ip: str, port: int = 9) -> str:
    return built.on_suspect(sys.executable, "-c", KNOCK, ip, str(port)).strip()


def victim_reaches(built: Lab, ip: str) -> bool:
    ping = [*built.victim.prefix, "ping", "-c", "1", "-W", "0.4", ip]
    return subprocess.run(ping, capture_output=True, check=False).returncode == 0


def until_reachable(built: Lab) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not built.reachable():
        assert time.monotonic() < until_s


def parts(built: Lab, kind: PartKind) -> list[dict[str, Any]]:
    """Return every way to tell one part of what the suspect sends to the victim."""
    if kind == "rate":
        return [{"mac": built.suspect.mac, "part": Part(kind="rate")}]
    service: dict[str, Any] = {"protocol": "tcp", "port": 9} if kind == "flow" else {}
    by_mac, by_ip = {"mac": built.suspect.mac}, {"ip": built.suspect.ip}
    at_mac = Part(kind=kind, peer_mac=built.victim.mac, **service)
    at_ip = Part(kind=kind, peer_ip=built.victim.ip, **service)
    return [{**by_mac, "part": at_mac}, {**by_mac, "part": at_ip}, {**by_ip, "part": at_ip}]


async def test_a_pair_is_cut_off_and_the_host_talks_to_everybody_else(built, nft, box):
    for what in parts(built, "pair"):
        await nft.apply([lease(**what)])
        assert not built.reachable(), what
        assert knocks(built, box) == "answered"
        await nft.apply([])
        assert built.reachable()


async def test_what_a_peer_sends_to_a_pair_s_host_does_not_arrive_either(built, nft):
    for what in parts(built, "pair"):
        await nft.apply([lease(**what)])
        assert not victim_reaches(built, built.suspect.ip)
        await nft.apply([])


async def test_a_flow_is_cut_off_and_all_else_between_the_two_goes_on(built, nft):
    for what in parts(built, "flow"):
        await nft.apply([lease(**what)])
        assert knocks(built, built.victim.ip, 9) == "silence", what
        assert knocks(built, built.victim.ip, 10) == "answered"
        assert built.reachable()


async def test_a_slowed_host_is_heard_and_cannot_flood(built, nft):
    for number, what in enumerate(({"mac": built.suspect.mac}, {"ip": built.suspect.ip})):
        await nft.apply([lease(**what, part=Part(kind="rate"))])
        port = str(4000 + number)
        with started(built.victim.prefix, COUNT, built.victim.ip, port) as ear:
            assert ear.stdout is not None
            assert ear.stdout.readline() == "listening\n"
            began_s = time.monotonic()
            built.on_suspect(sys.executable, "-c", SHOUT, built.victim.ip, port, "3000")
            took_s = time.monotonic() - began_s
            arrived = int(ear.stdout.read())
        assert 0 < arrived <= 1 + SLOWED_TO * (2 + took_s), what
        until_reachable(built)  # when it is quiet again


async def test_a_whole_port_is_cut_off_whoever_sends_there(built, nft):
    await nft.apply([lease(bridge_port="lan2")])
    assert not built.reachable()
    built.on_suspect("ip", "link", "set", "eth0", "address", "02:00:00:00:00:66")
    try:
        assert not built.reachable()
    finally:
        built.on_suspect("ip", "link", "set", "eth0", "address", built.suspect.mac)
    await nft.apply([lease(bridge_port="lan1")])
    assert not built.reachable()
    await nft.apply([])
    until_reachable(built)


async def test_whatever_is_cut_off_a_fresh_start_reads_it_back_as_it_was(built, nft):
    wanted = [
        {"mac": built.suspect.mac, "part": Part(kind="rate")},
        {"ip": "fe80::b", "part": Part(kind="rate")},
        {"bridge_port": "lan2"},
        *parts(built, "pair"),
        *parts(built, "flow"),
        {"mac": built.suspect.mac, "part": Part(kind="pair", peer_ip="fe80::a")},
        {"ip": "fe80::b", "part": Part(kind="pair", peer_ip="fe80::a")},
        *(
            {what: who, "part": Part(kind="flow", peer_ip="fe80::a", protocol="udp", port=53)}
            for what, who in (("mac", built.suspect.mac), ("ip", "fe80::b"))
        ),
    ]
    for what in wanted:
        held = lease(**what)
        await nft.apply([held])
        for reader in (nft, built.isolator()):
            (found,) = await reader.read_back()
            assert {name: getattr(found, name) for name in what} == what
            assert abs(found.expires_ns - held.expires_ns) < 2 * SECOND_NS


async def test_the_kernel_ends_a_part_as_it_ends_a_host(built, nft):
    await nft.apply([lease(1.5, **parts(built, "pair")[0])])
    assert not built.reachable()
    until_reachable(built)
    assert await nft.read_back() == ()


async def test_a_pair_becomes_its_host_in_one_transaction(built, nft, box):
    await nft.apply([lease(**parts(built, "pair")[0])])
    await nft.apply([lease(mac=built.suspect.mac)])
    assert knocks(built, box) == "silence"
    (found,) = await nft.read_back()
    assert (found.mac, found.part) == (built.suspect.mac, None)


async def test_a_rule_that_somebody_took_away_holds_nobody(built, nft):
    held = lease(mac=built.suspect.mac, part=Part(kind="rate"))
    await nft.apply([held])
    listed = built.on_box("nft", "-a", "list", "chain", "bridge", "edgewarden", "isolations")
    (rule,) = [line for line in listed.splitlines() if "@slowed_macs" in line]
    handle = rule.rsplit(maxsplit=1)[-1]
    built.on_box(
        *("nft", "delete", "rule", "bridge", "edgewarden", "isolations", "handle", handle)
    )
    assert await nft.read_back() == ()
    await nft.apply([held])
    assert len(await nft.read_back()) == 1


# --- what is refused


def guarded(isolator: Isolator, *exempt: str) -> Guard:
    async def look() -> Exempt:
        return Exempt(Exemption(who="the gateway", mac=mac, home="lan1") for mac in exempt)

    return Guard(isolator, look)


@pytest.mark.parametrize("kind", ["rate", "pair", "flow"])
async def test_no_part_of_the_exempt_is_cut_off_but_they_may_be_a_peer(built, nft, kind):
    what = parts(built, kind)[0]
    with pytest.raises(ExemptError, match="it is the gateway"):
        await guarded(nft, built.suspect.mac).apply([lease(**what)])
    assert await nft.read_back() == ()
    await guarded(nft, built.victim.mac).apply([lease(**what)])
    assert len(await nft.read_back()) == 1


@pytest.mark.parametrize(
    "peer", [{"peer_mac": "ff:ff:ff:ff:ff:ff"}, {"peer_ip": "224.0.0.251"}, {"peer_ip": "::"}]
)
async def test_a_group_is_no_peer(built, nft, peer):
    with pytest.raises(ExemptError, match="no single host"):
        await guarded(nft).apply([lease(mac=built.suspect.mac, part=Part(kind="pair", **peer))])
    assert await nft.read_back() == ()


async def test_a_port_of_no_bridge_or_with_the_exempt_behind_it_is_refused(built, nft):
    with pytest.raises(IsolationError, match="lan9 is no port of br0"):
        await guarded(nft).apply([lease(bridge_port="lan9")])
    with pytest.raises(ExemptError, match="the way to the gateway"):
        await guarded(nft, built.victim.mac).apply([lease(bridge_port="lan1")])
    assert await nft.read_back() == ()
    assert built.reachable()


@pytest.mark.parametrize("kind", ["rate", "pair", "flow"])
async def test_who_can_only_close_a_port_closes_none_for_a_part(built, kind):
    what = parts(built, kind)[0]
    isolator = BridgePortIsolator("br0", built.box)
    with pytest.raises(IsolationError, match="whole ports"):
        await guarded(isolator).apply([lease(**what)])
    assert await isolator.read_back() == ()
    assert built.reachable()
