"""Who talks to whom, and by which service: what a cut would take away; in a table of fixed size."""

import re
from collections.abc import Sequence
from typing import Final, Literal, Self

import msgspec
import numpy as np

from agent.addresses import halves, ip_text, mac_text, network_columns
from agent.bindings import ARP
from agent.exempt import configured
from agent.flows import TCP, UDP, Ends, Flows
from agent.grouping import Groups, distinct
from agent.records import I64, U64, Bool
from agent.tables import KeyTable, hashed, is_group, paired
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
        network = None if host.network is None else network_columns(host.network)
        return cls(text, _mac(host.mac), network, service)

    def names(self, end: Sequence[U64]) -> Bool:
        """Return which hosts it names, whatever their services; of MACs, and IPs in two halves."""
        mac, *ip = end
        found = np.ones(len(mac), np.bool_)
        if self.mac is not None:
            found &= mac == np.uint64(self.mac)
        if self.network is not None:
            wanted, mask = map(halves, self.network)
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

    def learn(self, ends: Ends, now_ns: int) -> None:
        """Take in the flows of a window.

        Args:
            ends: All flows of one window.
            now_ns: The window's start.
        """
        self._now_ns = now_ns
        rows = _saying(ends.flows)
        if not len(rows):
            return
        to_server = _to_server(ends.flows, rows)
        keys = self._keys(ends, rows, to_server)
        groups = Groups.of(keys)
        asked = groups.sums(to_server.astype(np.int64))
        both = ((asked > 0) & (asked < groups.sizes)).nonzero()[0]
        first = groups.first.take(both)
        slots, fresh = self.table.claim(keys.take(first), now_ns)
        kept = (slots >= 0).nonzero()[0]
        newcomers = (fresh & (slots >= 0)).nonzero()[0]
        new, chosen = slots.take(newcomers), first.take(newcomers)
        columns = _columns(ends.flows, rows.take(chosen), to_server.take(chosen))
        for name, column in columns.items():
            self._columns[name][new] = column
        self._first_ns[new], self._windows[new] = now_ns, 0
        slots = slots.take(kept)
        self._seen_ns[slots] = now_ns
        self._windows[slots] += 1
        port = ends.flows.bridge_port.take(rows)
        lowest = port.min()
        for side, is_source in (("client", to_server), ("server", ~to_server)):
            if lowest == port.max():  # as in every capture of one interface
                self._ports[side][slots] = lowest
            else:
                ports = groups.most(np.where(is_source, port, np.int16(-1)))
                self._ports[side][slots] = ports.take(both.take(kept))

    def _keys(self, ends: Ends, rows: I64, to_server: Bool) -> U64:
        """Return a key of the conversation that each row belongs to."""
        flows = ends.flows
        source = paired(flows.src_mac.take(rows), ends.src_ip.take(rows))
        target = paired(flows.dst_mac.take(rows), ends.dst_ip.take(rows))
        return hashed(
            self._seed,
            np.where(to_server, source, target),
            np.where(to_server, target, source),
            _services(flows, rows),
        )

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


def _saying(flows: Flows) -> I64:
    """Return the rows that carry payload from one host to another."""
    says: Bool = (flows.protocol == TCP) & (flows.total("data") > 0)
    says |= (flows.protocol == UDP) & (flows.total("packets") > flows.total("empty"))
    rows: I64 = says.nonzero()[0]
    target = flows.dst_mac.take(rows)
    told: Bool = (flows.ethertype.take(rows) != ARP) & (flows.folded.take(rows) == 0)
    told &= (flows.src_port.take(rows) > 0) & (flows.dst_port.take(rows) > 0)
    told &= (flows.src_mac.take(rows) > 0) & (target > 0) & ~is_group(target)
    return rows[told]


def _to_server(flows: Flows, rows: I64) -> Bool:
    """Return which rows go to the side with the lower port; of equal ones, to the lower MAC."""
    source, target = flows.src_port.take(rows), flows.dst_port.take(rows)
    lower: Bool = flows.dst_mac.take(rows) < flows.src_mac.take(rows)
    lower &= target == source
    lower |= target < source
    return lower


def _services(flows: Flows, rows: I64) -> U64:
    """Return protocol and port of the service that each row is said to or by; the port 0 of none."""
    port = np.minimum(flows.src_port.take(rows), flows.dst_port.take(rows)).astype(np.uint64)
    port[port >= DYNAMIC_PORTS] = 0
    port |= flows.protocol.take(rows).astype(np.uint64) << _PORT_BITS
    return port


def _columns(flows: Flows, rows: I64, to_server: Bool) -> dict[str, U64]:
    source, target = (
        [getattr(flows, f"{side}_{name}").take(rows) for name in _END] for side in ("src", "dst")
    )
    sides = (
        np.where(to_server, *ends)
        for ends in (*zip(source, target, strict=True), *zip(target, source, strict=True))
    )
    return dict(zip(_COLUMNS, (*sides, _services(flows, rows)), strict=True))


def _end(mac: str | None, ip: str | None) -> Critical:
    return Critical("", _mac(mac), None if ip is None else network_columns(ip), None)


def _mac(text: str | None) -> int | None:
    return None if text is None else int(text.replace(":", ""), 16)
