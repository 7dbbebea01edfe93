"""Builders of real frames, by scapy for single ones and by columns for floods, and what came of them."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from agent.observe import DEFAULT_MAX_HOSTS, Closed, Observer
from agent.records import NO_VLAN, SNAP_BYTES, FrameBatch, Observations, concatenate
from contract.features import FEATURE_NAMES

SECOND = 1_000_000_000
START_S = 1_790_000_000  # a round moment in 2026

Timed = tuple[float, Packet | bytes]  # seconds after START_S, a frame


class Box:
    """A machine on the watched network."""

    def __init__(self, number: int, ip: str | None = None, *, mac: str | None = None) -> None:
        self.mac = mac or f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        self.ip = ip or f"192.168.{1 + (number >> 8)}.{number & 255}"

    @property
    def mac_number(self) -> int:
        """The MAC as the columns have it."""
        return int(self.mac.replace(":", ""), 16)


ANN, BOB, EVE = Box(10), Box(11), Box(66)
GATEWAY = Box(1)
BROADCAST = Box(0, "255.255.255.255", mac="ff:ff:ff:ff:ff:ff")


def ether(src: Box, dst: Box) -> Packet:
    """Return an Ethernet header."""
    return Ether(src=src.mac, dst=dst.mac)


def ip(src: Box, dst: Box, **fields: Any) -> Packet:
    """Return Ethernet and IPv4 headers; fields as scapy names them."""
    return ether(src, dst) / IP(**{"src": src.ip, "dst": dst.ip, **fields})


def tcp(
    src: Box, dst: Box, sport: int = 40_000, dport: int = 80, flags: str = "A", **more: Any
) -> Packet:
    """Return a TCP segment; `data` is its payload, `seq` its sequence number."""
    data = more.pop("data", b"")
    layer = TCP(sport=sport, dport=dport, flags=flags, seq=more.pop("seq", 1))
    return ip(src, dst, **more) / layer / Raw(data) if data else ip(src, dst, **more) / layer


def udp(
    src: Box, dst: Box, sport: int = 40_000, dport: int = 5000, data: bytes = b"", **more: Any
) -> Packet:
    """Return a UDP datagram."""
    return ip(src, dst, **more) / UDP(sport=sport, dport=dport) / Raw(data)


def ping(src: Box, dst: Box, **more: Any) -> Packet:
    """Return an ICMP echo request."""
    return ip(src, dst, **more) / ICMP(type=8) / Raw(b"abcdefgh")


def who_has(src: Box, wanted: str, *, claim: str | None = None) -> Packet:
    """Return an ARP request."""
    layer = ARP(op=1, hwsrc=src.mac, psrc=claim or src.ip, pdst=wanted)
    return ether(src, BROADCAST) / layer


def is_at(src: Box, dst: Box, *, claim: str | None = None) -> Packet:
    """Return an ARP reply; `claim` is the address that the sender says it holds."""
    layer = ARP(op=2, hwsrc=src.mac, psrc=claim or src.ip, hwdst=dst.mac, pdst=dst.ip)
    return ether(src, dst) / layer


def tagged(frame: Packet, *vlans: int) -> Packet:
    """Return a frame with VLAN tags between its Ethernet header and its content."""
    inner = frame.payload
    for vlan in reversed(vlans):
        inner = Dot1Q(vlan=vlan) / inner
    head = frame.copy()
    head.remove_payload()
    return head / inner


def handshake(client: Box, server: Box, sport: int, dport: int = 80) -> list[Packet]:
    """Return the three segments that open a connection."""
    return [
        tcp(client, server, sport, dport, "S", seq=1),
        tcp(server, client, dport, sport, "SA", seq=100),
        tcp(client, server, sport, dport, "A", seq=2),
    ]


def every(step_s: float, frames: Iterable[Packet], at_s: float = 0.0) -> list[Timed]:
    """Give frames their times, evenly."""
    return [(at_s + index * step_s, frame) for index, frame in enumerate(frames)]


def batch(timed: Iterable[Timed], *, snap: int | None = None) -> FrameBatch:
    """Return frames as a capture gives them; `snap` cuts what was captured of each."""
    times, frames = [], []
    for at_s, frame in timed:
        times.append(START_S * SECOND + round(at_s * SECOND))
        frames.append(bytes(frame))
    return raw_batch(frames, times, snap=snap)


def raw_batch(
    frames: list[bytes],
    time_ns: list[int] | None = None,
    *,
    snap: int | None = None,
    vlan_tci: int = NO_VLAN,
) -> FrameBatch:
    """Return bytes as a capture gives them, without any room behind the last frame."""
    cut = [frame[:snap] for frame in frames]
    captured = np.array([len(frame) for frame in cut], np.int32)
    count, tag = len(frames), 0 if vlan_tci == NO_VLAN else 4
    return FrameBatch(
        data=np.frombuffer(b"".join(cut), np.uint8),
        offset=np.cumsum(captured, dtype=np.int64) - captured,
        captured_bytes=captured,
        wire_bytes=np.array([len(frame) + tag for frame in frames], np.int32),
        time_ns=np.array(time_ns or [START_S * SECOND] * count, np.int64),
        bridge_port=np.zeros(count, np.int16),
        vlan_tci=np.full(count, vlan_tci, np.int32),
    )


def flood(
    frame: Packet | bytes,
    count: int,
    varied: dict[tuple[int, int], np.ndarray],
    *,
    at_s: float = 0.0,
    seconds: float = 1.0,
) -> FrameBatch:
    """Return `count` copies of a frame, some of its bytes replaced.

    Args:
        frame: The frame.
        count: How many.
        varied: (first byte, width) -> one integer per frame, written in network order.
        at_s: When the first one comes.
        seconds: How long it takes.
    """
    template = np.frombuffer(bytes(frame)[:SNAP_BYTES], np.uint8)
    rows = np.tile(template, (count, 1))
    for (at, width), numbers in varied.items():
        wide = numbers.astype(">u8").view(np.uint8).reshape(count, 8)
        rows[:, at : at + width] = wide[:, 8 - width :]
    spread = np.arange(count, dtype=np.int64) * int(seconds * SECOND) // count
    return FrameBatch(
        data=rows.reshape(-1),
        offset=np.arange(count, dtype=np.int64) * len(template),
        captured_bytes=np.full(count, len(template), np.int32),
        wire_bytes=np.full(count, len(bytes(frame)), np.int32),
        time_ns=START_S * SECOND + round(at_s * SECOND) + spread,
        bridge_port=np.zeros(count, np.int16),
        vlan_tci=np.full(count, NO_VLAN, np.int32),
    )


def joined(*batches: FrameBatch) -> FrameBatch:
    """Return the frames of some batches as one."""
    shifts = np.cumsum([0, *(len(b.data) for b in batches[:-1])])
    names = [name for name in FrameBatch.__struct_fields__ if name not in {"data", "offset"}]
    return FrameBatch(
        data=np.concatenate([b.data for b in batches]),
        offset=np.concatenate([b.offset + s for b, s in zip(batches, shifts, strict=True)]),
        **{name: np.concatenate([getattr(b, name) for b in batches]) for name in names},
    )


def in_order_of_time(frames: FrameBatch) -> FrameBatch:
    """Return the frames sorted by their times."""
    return chosen(frames, np.argsort(frames.time_ns, kind="stable"))


def chosen(frames: FrameBatch, rows: Any) -> FrameBatch:
    """Return some frames of a batch."""
    names = FrameBatch.__struct_fields__[1:]
    return FrameBatch(frames.data, *(getattr(frames, name)[rows] for name in names))


def cut_at(frames: FrameBatch, cuts: Iterable[int]) -> Iterator[FrameBatch]:
    """Yield the frames in pieces that end at the cuts."""
    bounds = [0, *cuts, len(frames)]
    for first, last in itertools.pairwise(bounds):
        yield chosen(frames, slice(first, last))


def in_pieces(frames: FrameBatch, size: int) -> Iterator[FrameBatch]:
    """Yield the frames in pieces of a size."""
    return cut_at(frames, range(size, len(frames), size))


def observed(
    frames: FrameBatch | Iterable[Timed],
    *,
    max_hosts: int = DEFAULT_MAX_HOSTS,
    observer: Observer | None = None,
) -> "Seen":
    """Return what an observer makes of frames."""
    observer = observer or Observer(max_hosts)
    whole = frames if isinstance(frames, FrameBatch) else batch(frames)
    return Seen(concatenate([observer.feed(whole), observer.flush()]), observer)


def closed(frames: FrameBatch | Iterable[Timed]) -> Closed:
    """Return the last window of some frames."""
    observer = Observer()
    whole = frames if isinstance(frames, FrameBatch) else batch(frames)
    return [*observer.take(in_order_of_time(whole)), *observer.close()][-1]


class Seen:
    """Observations, to be asked about by host and window."""

    def __init__(self, rows: Observations, observer: Observer) -> None:
        self.rows = rows
        self.observer = observer

    def __len__(self) -> int:
        """Return the number of observations."""
        return len(self.rows)

    def row(self, who: Box | str, window: int = 0) -> int:
        """Return the row of a host (its box, or its IP behind a router) in a window."""
        mine = self.rows_of(who)
        start = (START_S + window) * SECOND
        (found,) = mine[self.rows.window_start_ns[mine] == start]
        return int(found)

    def rows_of(self, who: Box | str) -> np.ndarray:
        """Return all rows of a host."""
        if isinstance(who, Box):
            return np.flatnonzero((self.rows.src_mac == who.mac_number) & ~self.rows.is_ip_host)
        return np.flatnonzero((self.rows.src_ip_low == mapped(who)) & self.rows.is_ip_host)

    def feature(self, name: str, who: Box | str, window: int = 0) -> float:
        """Return a feature of a host in a window."""
        return float(self.rows.features[self.row(who, window), FEATURE_NAMES.index(name)])

    def count(self, name: str, who: Box | str, window: int = 0) -> float:
        """Return a counter of a host in one window."""
        return self.feature(f"{name}_1s", who, window)

    def total(self, name: str) -> float:
        """Return the sum of a counter over all hosts and windows."""
        return float(self.rows.features[:, FEATURE_NAMES.index(f"{name}_1s")].sum())


def mapped(address: str) -> int:
    """Return an IPv4 address as the lower half of a column."""
    parts = [int(part) for part in address.split(".")]
    return 0xFFFF_0000_0000 | int.from_bytes(bytes(parts), "big")
