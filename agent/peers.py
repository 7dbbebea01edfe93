"""Who talks to whom, and by which service: what a cut would take away; in a table of fixed size."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Self

import msgspec
import numpy as np

from agent.addresses import ip_text, mac_text
from agent.bindings import ARP
from agent.exempt import configured
from agent.flows import TCP, UDP, Flows
from agent.grouping import Groups, distinct
from agent.records import I16, I64, U8, U16, U64, Bool
from agent.tables import KeyTable, hashed, is_group
from contract.cuts import Part
from contract.messages import MAX_LOSSES, Loss
from runtime.errors import ConfigError

KEEP_NS: Final = 24 * 3_600_000_000_000
CAPACITY: Final = 16_384
# What an attack itself says to somebody is no loss: it has not gone on for so long.
ESTABLISHED_NS: Final = 300_000_000_000
ESTABLISHED_WINDOWS: Final = 5
DYNAMIC_PORTS: Final = 32_768  # from here on a port names no service
_SALT: Final = 8
_PORT_BITS: Final = np.uint64(16)
_MAPPED: Final = 0xFFFF_0000_0000
_SERVICE: Final = re.compile(r"(tcp|udp)/([1-9][0-9]{0,4})")
_NUMBERS: Final = {"tcp": TCP, "udp": UDP}
_NAMES: Final[dict[int, Literal["tcp", "udp"]]] = {TCP: "tcp", UDP: "udp"}
_END: Final = ("mac", "ip_high", "ip_low")
_COLUMNS: Final = (*(f"client_{n}" for n in _END), *(f"server_{n}" for n in _END), "service")


class Critical(msgspec.Struct, frozen=True):
    """A host, a service, or a service of one host, whose loss a person has to decide about."""

    text: str  # as it was written down
    mac: int | None
    network: tuple[int, int] | None  # address and mask of 128 bits
    service: int | None

    @classmethod
    def of(cls, text: str) -> Self:
        """Read what a person wrote down: WHO, WHO PROTOCOL/PORT, or PROTOCOL/PORT.

        Raises:
            ConfigError: It is nothing of these.
        """
        words = text.split()
        found = _SERVICE.fullmatch(words[-1]) if words else None
        who = words[:-1] if found else words
        if len(who) > 1 or not words:
            message = (
                f"policy.critical: {text!r} is neither a host nor a service (tcp/502) nor both"
            )
            raise ConfigError(message)
        service = None if found is None else _NUMBERS[found[1]] << 16 | int(found[2])
        if not who:
            return cls(text, None, None, service)
        (host,) = configured(who, "critical", "policy.critical")
        network = None if host.network is None else _network(host.network)
        return cls(text, _mac(host.mac), network, service)

    def names(self, end: Sequence[U64]) -> Bool:
        """Return which hosts it names, whatever their services; of MACs, and IPs in two halves."""
        mac, *ip = end
        found = np.ones(len(mac), np.bool_)
        if self.mac is not None:
            found &= mac == np.uint64(self.mac)
        if self.network is not None:
            wanted, mask = map(_halves, self.network)
            for half in (0, 1):
                found &= ip[half] & mask[half] == wanted[half]
        return found


class Radius(msgspec.Struct, frozen=True):
    """What a cut would take away."""

    losses: list[Loss]  # the most usual first, at most MAX_LOSSES
    further: int  # losses beyond these
    clients: int  # MACs that the host serves
    critical: str | None  # the first of those asked about that would be lost


class Peers:
    """Learns window by window who answered whom; bounded.

    A conversation has payload in both directions within one window: who only scans, floods or is
    refused has none. The side with the lower port is the server.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed + _SALT
        self._now_ns = 0
        self.table = KeyTable(CAPACITY, KEEP_NS)
        size = self.table.capacity
        self._columns = {name: np.zeros(size, np.uint64) for name in _COLUMNS}
        self._ports = {side: np.full(size, -1, np.int16) for side in ("client", "server")}
        self._first_ns = np.zeros(size, np.int64)
        self._seen_ns = np.zeros(size, np.int64)
        self._windows = np.zeros(size, np.int64)

    def learn(self, flows: Flows, now_ns: int) -> None:
        """Take in the flows of a window.

        Args:
            flows: All flows of one window.
            now_ns: The window's start.
        """
        self._now_ns = now_ns
        said = _said(flows, _says_something(flows).nonzero()[0])
        if not len(said.protocol):
            return
        to_server = _to_server(said)
        columns = _columns(said, to_server)
        keys = hashed(self._seed, *columns.values())
        groups = Groups.of(keys)
        asked = groups.sums(to_server.astype(np.int64))
        both = (asked > 0) & (asked < groups.sizes)
        first = groups.first[both]
        slots, fresh = self.table.claim(keys[first], now_ns)
        new, kept = slots[fresh & (slots >= 0)], slots[slots >= 0]
        newcomers = first[fresh & (slots >= 0)]
        for name, column in columns.items():
            self._columns[name][new] = column[newcomers]
        for side, is_source in (("client", to_server), ("server", ~to_server)):
            port = groups.most(np.where(is_source, said.bridge_port, np.int16(-1)))
            self._ports[side][kept] = port[both][slots >= 0]
        self._first_ns[new], self._windows[new] = now_ns, 0
        self._seen_ns[kept] = now_ns
        self._windows[kept] += 1

    def radius(
        self,
        mac: str | None,
        ip: str | None,
        attack_ns: int,
        critical: Sequence[Critical] = (),
        part: Part | None = None,
    ) -> Radius:
        """Return what cutting a host off would take away.

        Args:
            mac: What is cut, or None.
            ip: What is cut, or None.
            attack_ns: For how long the host attacks: what it has said only since then counts not.
            critical: Whose loss is asked about.
            part: Of the host, a pair or a flow; None: all of it.
        """
        mine = _end(mac, ip)
        held = self._established(attack_ns)
        clients, servers = self._ends(held)
        serves, asks = mine.names(servers), mine.names(clients)
        if part is not None:
            peer = _end(part.peer_mac, part.peer_ip)
            serves, asks = serves & peer.names(clients), asks & peer.names(servers)
        if part is not None and part.protocol is not None:
            # What it serves itself does not go to the peer's port.
            service = np.uint64(_NUMBERS[part.protocol] << 16 | (part.port or 0))
            serves, asks = (
                np.zeros_like(serves),
                asks & (self._columns["service"][held] == service),
            )
        return self._radius(held, serves, serves | asks, critical)

    def radius_of_port(
        self, port: int, attack_ns: int, critical: Sequence[Critical] = ()
    ) -> Radius:
        """Return what cutting off a bridge port would take away; `port` is its number.

        What two hosts behind it say to each other goes on.
        """
        held = self._established(attack_ns)
        asks, serves = (self._ports[side][held] == port for side in ("client", "server"))
        found = self._radius(held, serves & ~asks, serves ^ asks, critical)
        return msgspec.structs.replace(found, clients=len(self.behind(port, attack_ns)))

    def behind(self, port: int, attack_ns: int) -> list[tuple[str, str | None]]:
        """Return who is known to live behind a bridge port: MAC and IP of each, by its number."""
        held = self._established(attack_ns)
        found = set()
        for side, end in zip(("client", "server"), self._ends(held), strict=True):
            here = np.flatnonzero(self._ports[side][held] == port)
            columns = (column[here].tolist() for column in end)
            found |= {
                (mac_text(mac), ip_text(high, low))
                for mac, high, low in zip(*columns, strict=True)
            }
        return sorted(found, key=str)

    def _radius(
        self, held: I64, serves: Bool, is_lost: Bool, critical: Sequence[Critical]
    ) -> Radius:
        clients, _ = self._ends(held)
        lost = np.flatnonzero(is_lost)
        lost = lost[np.argsort(-self._windows[held[lost]], kind="stable")]
        told = lost[:MAX_LOSSES].tolist()
        return Radius(
            losses=[self._loss(int(held[row]), serves=bool(serves[row])) for row in told],
            further=len(lost) - len(told),
            clients=len(distinct(clients[0][serves])),
            critical=next((c.text for c in critical if self._is_lost(c, held[lost])), None),
        )

    def _established(self, attack_ns: int) -> I64:
        """Return the slots of what was talked about before an attack began."""
        age_ns = self._now_ns - self._first_ns
        known = (self._windows >= ESTABLISHED_WINDOWS) & (age_ns >= ESTABLISHED_NS + attack_ns)
        return (known & (self._seen_ns >= self._now_ns - KEEP_NS)).nonzero()[0]

    def _ends(self, slots: I64) -> tuple[list[U64], list[U64]]:
        """Return MAC and IP of clients and of servers."""
        client = [self._columns[f"client_{name}"][slots] for name in _END]
        return client, [self._columns[f"server_{name}"][slots] for name in _END]

    def _is_lost(self, critical: Critical, slots: I64) -> bool:
        client, server = map(critical.names, self._ends(slots))
        if critical.service is None:
            return bool((client | server).any())
        is_it = self._columns["service"][slots] == np.uint64(critical.service)
        return bool((server & is_it).any())

    def _loss(self, slot: int, *, serves: bool) -> Loss:
        side = "client" if serves else "server"
        mac, high, low = (int(self._columns[f"{side}_{n}"][slot]) for n in _END)
        service = int(self._columns["service"][slot])
        return Loss(
            peer_mac=mac_text(mac),
            peer_ip=ip_text(high, low),
            protocol=_NAMES[service >> 16],
            port=service & 0xFFFF,
            serves=serves,
        )


class _Said(NamedTuple):
    """The columns of some flows that tell who speaks with whom; each of shape (n,)."""

    src_mac: U64
    src_ip_high: U64
    src_ip_low: U64
    dst_mac: U64
    dst_ip_high: U64
    dst_ip_low: U64
    src_port: U16
    dst_port: U16
    protocol: U8
    bridge_port: I16


def _said(flows: Flows, rows: I64) -> _Said:
    return _Said(*(getattr(flows, name).take(rows) for name in _Said._fields))


def _says_something(flows: Flows) -> Bool:
    """Return which rows carry payload from one host to another."""
    says: Bool = (flows.protocol == TCP) & (flows.total("data") > 0)
    says |= (flows.protocol == UDP) & (flows.total("packets") > flows.total("empty"))
    says &= (flows.ethertype != ARP) & (flows.folded == 0)
    says &= (flows.src_port > 0) & (flows.dst_port > 0)
    says &= (flows.src_mac > 0) & (flows.dst_mac > 0)
    says &= ~is_group(flows.dst_mac)
    return says


def _to_server(said: _Said) -> Bool:
    """Return which rows go to the side with the lower port; of equal ones, to the lower MAC."""
    lower: Bool = said.dst_port < said.src_port
    lower |= (said.dst_port == said.src_port) & (said.dst_mac < said.src_mac)
    return lower


def _columns(said: _Said, to_server: Bool) -> dict[str, U64]:
    port = np.minimum(said.src_port, said.dst_port).astype(np.uint64)
    port[port >= DYNAMIC_PORTS] = 0
    source = said.src_mac, said.src_ip_high, said.src_ip_low
    target = said.dst_mac, said.dst_ip_high, said.dst_ip_low
    sides = (
        np.where(to_server, *ends)
        for ends in (*zip(source, target, strict=True), *zip(target, source, strict=True))
    )
    service = said.protocol.astype(np.uint64) << _PORT_BITS | port
    return dict(zip(_COLUMNS, (*sides, service), strict=True))


def _end(mac: str | None, ip: str | None) -> Critical:
    return Critical("", _mac(mac), None if ip is None else _network(ip), None)


def _mac(text: str | None) -> int | None:
    return None if text is None else int(text.replace(":", ""), 16)


def _network(text: str) -> tuple[int, int]:
    """Return address and mask as the columns have them: IPv4 mapped into IPv6."""
    network = ipaddress.ip_network(text)
    address, bits = int(network.network_address), network.max_prefixlen
    mask = (1 << 128) - 1 & ~((1 << bits - network.prefixlen) - 1)
    return (address | _MAPPED if network.version == 4 else address), mask  # noqa: PLR2004


def _halves(number: int) -> tuple[np.uint64, np.uint64]:
    return np.uint64(number >> 64), np.uint64(number & (1 << 64) - 1)
