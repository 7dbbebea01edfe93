"""Whole networks of generated traffic, and the attacks on them, as columns."""

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.records import I64, NO_VLAN, U16, U32, U64
from benchmarks.applications import APPLICATIONS, EMPTY, FIN, SYN, TEMPLATES, Application, Side
from benchmarks.frames import IPV6, Packets, joined

START_NS: Final = 1_790_000_000_000_000_000  # a round moment in 2026
SECOND_NS: Final = 1_000_000_000
_INFRASTRUCTURE: Final = ("gateway", "broker", "recorder")  # the first hosts
_KINDS: Final = 6
_VLAN, _TAGGED_EVERY, _TAGGED = 20, 16, 7
_CLOUD_HOSTS: Final = 200
_EPHEMERAL: Final = (32_768, 61_000)
_FIRST_MAC: Final = 0x0200_0000_0000
_FIRST_IP: Final = 0x0A00_0001  # 10.0.0.1
_CLOUD_IP: Final = 0xC633_6400  # 198.51.100.0
_ATTACKER: Final = 4  # a camera
ATTACKER_MAC: Final = _FIRST_MAC + _ATTACKER
_SLOWEST: Final = 1.25  # times the pace of the script


class Sessions(msgspec.Struct, frozen=True, eq=False):
    """Conversations of one application: when, and between whom; columns of shape (n,)."""

    start_ns: I64
    client: I64  # a host's number
    server_mac: U64
    server_ip: U64
    client_port: U16


def macs(hosts: I64) -> U64:
    """Return the MACs of hosts by their number."""
    return (hosts + _FIRST_MAC).astype(np.uint64)


def addresses(hosts: I64, ethertype: int) -> U64:
    """Return the addresses of hosts by their number: IPv4, or the low half of IPv6."""
    first = _FIRST_MAC << 16 if ethertype == IPV6 else _FIRST_IP
    return (hosts + first).astype(np.uint64)


def network(packets: int, hosts: int, packets_per_s: float, seed: int) -> Packets:
    """Return exactly so many packets of a network in a steady state.

    The same seed gives the same network for longer where only `packets` grows, up to chance.
    """
    random = np.random.default_rng(seed)
    # A little more than asked for, as the number of packets in a span varies.
    span_s = packets / packets_per_s * 1.05 + 0.05
    density = packets_per_s * 1.02
    parts = [_conversations(each, hosts, span_s, density, random) for each in APPLICATIONS]
    together = joined(parts)
    if len(together) < packets:
        message = f"only {len(together)} of {packets} packets were generated"
        raise ValueError(message)
    return together.take(slice(0, packets))


def _conversations(
    application: Application,
    hosts: int,
    span_s: float,
    density: float,
    random: np.random.Generator,
) -> Packets:
    """Return what one application sends within the span; some sessions began before it."""
    script_s = sum(step.gap_s for step in application.steps) * _SLOWEST
    starts_per_s = density * application.share / len(application.steps)
    count = max(1, round(starts_per_s * (span_s + script_s)))
    # Evenly spread and shaken, so that even a short span has its share of everything.
    start_s = (np.arange(count) + random.random(count)) / starts_per_s - script_s
    sessions = _sessions(application, (start_s * 1e9).astype(np.int64), hosts, random)
    whole = _expanded(application, sessions, random)
    inside = (whole.time_ns >= START_NS) & (whole.time_ns < START_NS + int(span_s * 1e9))
    return whole.take(np.flatnonzero(inside))


def _sessions(
    application: Application, start_ns: I64, hosts: int, random: np.random.Generator
) -> Sessions:
    count = len(start_ns)
    devices = np.arange(len(_INFRASTRUCTURE), hosts)
    clients = random.choice(devices[np.isin(devices % _KINDS, application.kinds)], count)
    ethertype = TEMPLATES[application.steps[0].template].ethertype
    match application.server:
        case "group":
            mac = np.full(count, application.group[0], np.uint64)
            ip = np.full(count, application.group[1], np.uint64)
        case "cloud":
            mac = macs(np.zeros(count, np.int64))
            ip = (random.integers(0, _CLOUD_HOSTS, count) + _CLOUD_IP).astype(np.uint64)
        case "peer":
            apart = random.integers(1, len(devices), count)
            peers = devices[(clients - devices[0] + apart) % len(devices)]
            mac, ip = macs(peers), addresses(peers, ethertype)
        case name:
            server = np.full(count, _INFRASTRUCTURE.index(name))
            mac, ip = macs(server), addresses(server, ethertype)
    port = random.integers(*_EPHEMERAL, count).astype(np.uint16)
    if application.client_port or not application.port:
        port[:] = application.client_port
    return Sessions(START_NS + start_ns, clients, mac, ip, port)


def _expanded(
    application: Application, sessions: Sessions, random: np.random.Generator
) -> Packets:
    """Return every step of every session."""
    steps, count = application.steps, len(sessions.start_ns)
    initial = random.integers(0, 1 << 32, (2, count))
    pace = random.uniform(1 / _SLOWEST, _SLOWEST, count)[:, None]
    stamp = random.integers(0, 1 << 32, count)[:, None] + _stamp_steps(application)
    after_s = np.cumsum([step.gap_s for step in steps])
    tagged = sessions.client % _TAGGED_EVERY == _TAGGED
    return Packets(
        time_ns=(sessions.start_ns[:, None] + (pace * after_s * 1e9).astype(np.int64)).ravel(),
        template=np.tile(np.array([step.template for step in steps], np.uint16), count),
        stamp=stamp.astype(np.uint32).ravel(),
        vlan=np.repeat(np.where(tagged, _VLAN, NO_VLAN).astype(np.int16), len(steps)),
        **_ends(application, sessions),
        **_tcp(application, initial),
    )


def _ends(application: Application, sessions: Sessions) -> dict[str, NDArray[Any]]:
    """Return addresses and ports of every step of every session."""
    ethertype = TEMPLATES[application.steps[0].template].ethertype
    client_ip = addresses(sessions.client, ethertype)
    port = np.full(len(client_ip), application.port, np.uint16)
    src_mac, dst_mac = _sides(application, macs(sessions.client), sessions.server_mac)
    src_ip, dst_ip = _sides(application, client_ip, sessions.server_ip)
    src_port, dst_port = _sides(application, sessions.client_port, port)
    return {
        "src_mac": src_mac,
        "dst_mac": dst_mac,
        "src_ip": src_ip,
        "dst_ip": dst_ip,
        "src_port": src_port,
        "dst_port": dst_port,
    }


def _tcp(application: Application, initial: I64) -> dict[str, NDArray[Any]]:
    """Return what TCP counts at every step, from the initial numbers of both sides."""
    own, other = _sides(application, initial[0], initial[1])
    sent, heard = _sequence_steps(application)
    count = initial.shape[1]
    flags = np.tile(np.array([step.tcp_flags for step in application.steps], np.uint8), count)
    return {
        "sequence": (own + np.tile(sent, count)).astype(np.uint32),
        "acknowledged": np.where(flags == SYN, 0, other + np.tile(heard, count)).astype(np.uint32),
        "tcp_flags": flags,
    }


def _sides(
    application: Application, client: NDArray[Any], server: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what is the sender's and what is the receiver's, at every step of every session."""
    out = np.array([step.sender is Side.CLIENT for step in application.steps])
    one, other = client[:, None], server[:, None]
    return np.where(out, one, other).ravel(), np.where(out, other, one).ravel()


def _sequence_steps(application: Application) -> tuple[I64, I64]:
    """Return, step by step, what its sender has sent before and has heard, in TCP's count."""
    sent = dict.fromkeys(Side, 0)
    before, heard = [], []
    for step in application.steps:
        before.append(sent[step.sender])
        heard.append(sum(sent.values()) - sent[step.sender])
        counted = bool(step.tcp_flags & (SYN | FIN))
        sent[step.sender] += len(TEMPLATES[step.template].payload) + counted
    return np.array(before), np.array(heard)


def _stamp_steps(application: Application) -> I64:
    fresh = np.array([not step.repeats_stamp for step in application.steps])
    return np.cumsum(fresh)


def syn_flood(
    packets: int, start_s: float, packets_per_s: float, seed: int, *, spoofs_macs: bool = False
) -> Packets:
    """Return SYNs to port 80 of the broker, each from another source address, from one host.

    Args:
        packets: And addresses; at most 2**31.
        start_s: When it begins, after the network's first packet.
        packets_per_s: At an even rate.
        seed: Of ports and addresses.
        spoofs_macs: Each comes from another MAC as well.
    """
    random = np.random.default_rng(seed)
    number = np.arange(packets, dtype=np.uint64)
    # Odd, so that no address comes twice; the offset keeps them in 128.0.0.0/1 below multicast.
    scattered = (number * np.uint64(0x9E37_79B1) + np.uint64(seed)) & np.uint64(0x3FFF_FFFF)
    attacker = np.full(packets, ATTACKER_MAC, np.uint64)
    return _probes(
        start_s + number / packets_per_s,
        src_mac=scattered | np.uint64(_SPOOFED_MAC) if spoofs_macs else attacker,
        dst_mac=macs(np.ones(packets, np.int64)),
        src_ip=scattered | np.uint64(0x8000_0000),
        dst_ip=np.full(packets, _FIRST_IP + 1, np.uint64),
        src_port=random.integers(1024, 65_536, packets).astype(np.uint16),
        dst_port=np.full(packets, 80, np.uint16),
        sequence=random.integers(0, 1 << 32, packets).astype(np.uint32),
    )


_SPOOFED_MAC: Final = 0x0600_0000_0000


def port_scan(ports: int, targets: I64, start_s: float, packets_per_s: float) -> Packets:
    """Return SYNs from one host to the first ports of some hosts, and the resets they answer."""
    probes = ports * len(targets)
    number = np.arange(probes)
    target = targets[number % len(targets)]
    port = (number // len(targets) + 1).astype(np.uint16)
    scanner = np.full(probes, _ATTACKER)
    own_port = np.full(probes, 43_210, np.uint16)
    at_s = start_s + number * 2 / packets_per_s
    ask = _probes(
        at_s,
        src_mac=macs(scanner),
        dst_mac=macs(target),
        src_ip=addresses(scanner, 0),
        dst_ip=addresses(target, 0),
        src_port=own_port,
        dst_port=port,
        sequence=number.astype(np.uint32),
    )
    refuse = _probes(
        at_s + 1 / packets_per_s,
        src_mac=ask.dst_mac,
        dst_mac=ask.src_mac,
        src_ip=ask.dst_ip,
        dst_ip=ask.src_ip,
        src_port=port,
        dst_port=own_port,
        sequence=np.zeros(probes, np.uint32),
        flags=_RST_ACK,
    )
    return joined([ask, refuse])


_RST_ACK: Final = 4 | 16


def _probes(
    at_s: NDArray[np.float64], *, sequence: U32, flags: int = SYN, **columns: NDArray[Any]
) -> Packets:
    """Return TCP segments without payload."""
    count = len(at_s)
    return Packets(
        time_ns=START_NS + (at_s * 1e9).astype(np.int64),
        template=np.full(count, EMPTY, np.uint16),
        sequence=sequence,
        acknowledged=np.zeros(count, np.uint32),
        tcp_flags=np.full(count, flags, np.uint8),
        stamp=np.arange(count, dtype=np.uint32),
        vlan=np.full(count, NO_VLAN, np.int16),
        **columns,
    )
