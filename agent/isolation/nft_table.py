"""Our table of nftables: its sets, its rules, and which element of which set is which lease."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from agent.errors import IsolationError
from agent.isolation import Lease
from contract.cuts import SLOWED_TO, Part, PartKind

NAME: Final = "edgewarden"
TABLE: Final = {"family": "bridge", "table": NAME}
SET_SIZE: Final = 4096
BEFORE_THE_BRIDGE: Final = -300

# A chain named fwd, in or drop would be a keyword to nft's text parser: hence the longer names.
CHAINS: Final = ("from_ports", "from_this_box", "isolations")

Value = tuple[str | int, ...]


class Kind(msgspec.Struct, frozen=True):
    """One kind of cut: a set of elements, each made of these fields of a lease."""

    set_name: str
    fields: tuple[str, ...]
    part: PartKind | None = None
    version: int | None = None  # of IP addresses among the fields

    @property
    def types(self) -> list[str]:
        """The nft types of an element."""
        return [_TYPES.get(field) or f"ipv{self.version}_addr" for field in self.fields]


_TYPES: Final = {
    "mac": "ether_addr",
    "peer_mac": "ether_addr",
    "bridge_port": "ifname",
    "protocol": "inet_proto",
    "port": "inet_service",
}
_SERVICE: Final = ("protocol", "port")

# As firmware_configs/nftables/edgewarden-base.nft makes them at boot: whoever comes first makes
# the table, the other finds it as it would have made it.
KINDS: Final = (
    Kind("isolated_macs", ("mac",)),
    Kind("isolated_ports", ("bridge_port",)),
    Kind("isolated_port_macs", ("bridge_port", "mac")),
    Kind("isolated_ipv4", ("ip",), None, 4),
    Kind("isolated_ipv6", ("ip",), None, 6),
    Kind("isolated_mac_pairs", ("mac", "peer_mac"), "pair"),
    Kind("isolated_mac_ipv4_pairs", ("mac", "peer_ip"), "pair", 4),
    Kind("isolated_mac_ipv6_pairs", ("mac", "peer_ip"), "pair", 6),
    Kind("isolated_ipv4_pairs", ("ip", "peer_ip"), "pair", 4),
    Kind("isolated_ipv6_pairs", ("ip", "peer_ip"), "pair", 6),
    Kind("isolated_mac_flows", ("mac", "peer_mac", *_SERVICE), "flow"),
    Kind("isolated_mac_ipv4_flows", ("mac", "peer_ip", *_SERVICE), "flow", 4),
    Kind("isolated_mac_ipv6_flows", ("mac", "peer_ip", *_SERVICE), "flow", 6),
    Kind("isolated_ipv4_flows", ("ip", "peer_ip", *_SERVICE), "flow", 4),
    Kind("isolated_ipv6_flows", ("ip", "peer_ip", *_SERVICE), "flow", 6),
    Kind("slowed_macs", ("mac",), "rate"),
    Kind("slowed_ipv4", ("ip",), "rate", 4),
    Kind("slowed_ipv6", ("ip",), "rate", 6),
)
_BY_NAME: Final = {kind.set_name: kind for kind in KINDS}
_BY_LEASE: Final = {(kind.part, kind.fields, kind.version): kind for kind in KINDS}
_PLAIN: Final = re.compile(r"[0-9a-z:.]+")  # all that addresses, protocols and ports are made of
_PROTOCOLS: Final = {"6": "tcp", "17": "udp"}  # where nft does not know their names


class Element(msgspec.Struct, frozen=True):
    """What stands in one of the sets, field by field."""

    set_name: str
    value: Value


class Armed(msgspec.Struct, frozen=True):
    """For whom an element stands, and until when."""

    isolation_id: str
    expires_ns: int


# ---- leases and elements


def elements_of(lease: Lease) -> list[Element]:
    """Return what makes a lease hold.

    Raises:
        IsolationError: nft has no such cut.
    """
    if lease.part is not None:
        return [_element_of(lease, _fields_of(lease, lease.part))]
    if lease.mac is None and lease.ip is None:
        return [_element_of(lease, ("bridge_port",))]
    found = []
    if lease.mac is not None:
        at = ("bridge_port", "mac") if lease.bridge_port is not None else ("mac",)
        found.append(_element_of(lease, at))
    if lease.ip is not None:
        found.append(_element_of(lease, ("ip",)))
    return found


def _fields_of(lease: Lease, part: Part) -> tuple[str, ...]:
    """Return what a part of a host is told by: the host, the peer, the service."""
    given = {"mac": lease.mac, "ip": lease.ip, "bridge_port": lease.bridge_port}
    given |= {name: getattr(part, name) for name in ("peer_mac", "peer_ip", *_SERVICE)}
    return tuple(name for name, value in given.items() if value is not None)


def _element_of(lease: Lease, fields: tuple[str, ...]) -> Element:
    part = lease.part
    values = [getattr(lease, name, None) or getattr(part, name, None) for name in fields]
    versions = set()
    for at, name in enumerate(fields):
        if name in {"ip", "peer_ip"}:
            try:
                address = ipaddress.ip_address(str(values[at]))
            except ValueError as error:
                raise IsolationError(str(error)) from error
            values[at] = str(address)
            versions.add(address.version)
    version = versions.pop() if len(versions) == 1 else None
    kind = _BY_LEASE.get((None if part is None else part.kind, fields, version))
    if kind is None or None in values:
        told = "a host" if part is None else f"a {part.kind}"
        message = f"nft cannot cut {told} by {', '.join(fields) or 'nothing'}"
        raise IsolationError(message)
    return Element(kind.set_name, tuple(value for value in values if value is not None))


def lease_of(element: Element, armed: Armed) -> Lease:
    """Return the lease that an element is, or is a part of."""
    kind = _BY_NAME[element.set_name]
    told: dict[str, Any] = dict(zip(kind.fields, element.value, strict=True))
    of_host = {name: told.pop(name) for name in ("mac", "ip", "bridge_port") if name in told}
    part = None if kind.part is None else Part(kind=kind.part, **told)
    return Lease(
        isolation_id=armed.isolation_id, expires_ns=armed.expires_ns, part=part, **of_host
    )


def read_value(set_name: str, told: Any) -> Element | None:  # noqa: ANN401
    """Return what nft lists in a set of ours; None for sets that hold no leases."""
    kind = _BY_NAME.get(set_name)
    if kind is None:
        return None
    parts = told["concat"] if isinstance(told, dict) else [told]
    value = tuple(
        int(part) if field == "port" else _PROTOCOLS.get(str(part), str(part))
        for field, part in zip(kind.fields, parts, strict=True)
    )
    return Element(set_name, value)


def element_text(element: Element, options: str = "") -> str:
    """Return an element as nft(8) reads it behind `add` and `delete`.

    Args:
        element: Which one.
        options: Its timeout and comment, where it is to stand.

    Raises:
        IsolationError: A value of it is none, and would say something else to nft.
    """
    fields = _BY_NAME[element.set_name].fields
    told = " . ".join(map(_value_text, fields, element.value))
    return f"element {TABLE['family']} {NAME} {element.set_name} {{ {told} {options} }}"


def _value_text(field: str, value: str | int) -> str:
    if field == "bridge_port":
        if '"' not in str(value):
            return f'"{value}"'
    elif _PLAIN.fullmatch(str(value)):
        return str(value)
    message = f"nft: no {field}: {value!r}"
    raise IsolationError(message)


# ---- the table


def table_deeds() -> list[dict[str, Any]]:
    """Return what makes the table, or finds it made: sets stay, only the rules are written anew."""
    deeds: list[dict[str, Any]] = [
        {"add": {"table": {"family": "bridge", "name": NAME}}},
        *({"add": {"set": _set(kind)}} for kind in KINDS),
        {"add": {"chain": _hooked("from_ports", "prerouting", BEFORE_THE_BRIDGE)}},
        {"add": {"chain": _hooked("from_this_box", "output", 0)}},
        {"add": {"chain": {**TABLE, "name": "isolations"}}},
    ]
    deeds += [{"flush": {"chain": {**TABLE, "name": name}}} for name in CHAINS]
    deeds += [_rule("isolations", *_dropping(kind, left)) for kind, left in _matches()]
    deeds += [_rule(name, {"jump": {"target": "isolations"}}) for name in CHAINS[:2]]
    return deeds


def has_all_rules(rules: Iterator[dict[str, Any]]) -> bool:
    """Return whether every set of ours is looked at, by the rules that nft lists of our table."""
    dropping, jumping = set(), set()
    for rule in rules:
        spoken = {key: value for part in rule["expr"] for key, value in part.items()}
        if rule["chain"] == "isolations" and "drop" in spoken and "match" in spoken:
            dropping.add(repr((spoken["match"]["left"], spoken["match"]["right"])))
        if spoken.get("jump") == {"target": "isolations"}:
            jumping.add(rule["chain"])
    wanted = {repr((left, "@" + kind.set_name)) for kind, left in _matches()}
    return wanted <= dropping and jumping >= set(CHAINS[:2])


def _matches() -> Iterator[tuple[Kind, object]]:
    """Return what is compared with each set: a host cut off, and a pair, in both directions."""
    for kind in KINDS:
        yield kind, _left(kind, "s", "d")
        if kind.part == "pair" or (kind.part is None and "bridge_port" not in kind.fields):
            yield kind, _left(kind, "d", "s")


def _left(kind: Kind, host: str, peer: str) -> object:
    ip = "ip6" if kind.version == 6 else "ip"  # noqa: PLR2004
    said: dict[str, object] = {
        "mac": _field("ether", host + "addr"),
        "peer_mac": _field("ether", peer + "addr"),
        "ip": _field(ip, host + "addr"),
        "peer_ip": _field(ip, peer + "addr"),
        "bridge_port": {"meta": {"key": "iifname"}},
        "protocol": {"meta": {"key": "l4proto"}},
        "port": _field("th", peer + "port"),
    }
    parts = [said[field] for field in kind.fields]
    return parts[0] if len(parts) == 1 else {"concat": parts}


def _field(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


def _set(kind: Kind) -> dict[str, Any]:
    types: object = kind.types if len(kind.types) > 1 else kind.types[0]
    made = {**TABLE, "name": kind.set_name, "type": types, "flags": ["timeout"], "size": SET_SIZE}
    if kind.part != "rate":
        return made
    # Every element then has a limit of its own, and matches beyond it.
    limit = {"rate": SLOWED_TO, "burst": SLOWED_TO, "per": "second", "inv": True}
    return {**made, "stmt": [{"limit": limit}]}


def _hooked(name: str, hook: str, priority: int) -> dict[str, Any]:
    return {
        **TABLE,
        "name": name,
        "type": "filter",
        "hook": hook,
        "prio": priority,
        "policy": "accept",
    }


def _dropping(kind: Kind, left: object) -> list[dict[str, Any]]:
    match = {"match": {"op": "==", "left": left, "right": "@" + kind.set_name}}
    return [match, {"counter": None}, {"drop": None}]


def _rule(chain: str, *statements: dict[str, Any]) -> dict[str, Any]:
    return {"add": {"rule": {**TABLE, "chain": chain, "expr": list(statements)}}}
