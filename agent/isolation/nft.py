"""Isolation by nftables on the bridge: sets whose elements the kernel lets expire by itself."""

import hashlib
import ipaddress
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from agent.errors import IsolationError
from agent.isolation import Lease
from agent.isolation.programs import parsed, run

SECOND_NS: Final = 1_000_000_000
TABLE: Final = {"family": "bridge", "table": "edgewarden"}
SET_SIZE: Final = 4096
COMMENT: Final = "edgewarden:"  # in front of the isolation's id
BEFORE_THE_BRIDGE: Final = -300

# As firmware_configs/nftables/edgewarden-base.nft makes them at boot: whoever comes first makes
# the table, the other finds it as it would have made it.
SETS: Final[dict[str, str | list[str]]] = {
    "isolated_macs": "ether_addr",
    "isolated_port_macs": ["ifname", "ether_addr"],
    "isolated_mac_pairs": ["ether_addr", "ether_addr"],
    "isolated_ipv4": "ipv4_addr",
    "isolated_ipv4_pairs": ["ipv4_addr", "ipv4_addr"],
    "isolated_ipv6": "ipv6_addr",
    "isolated_ipv6_pairs": ["ipv6_addr", "ipv6_addr"],
}

# A chain named fwd, in or drop would be a keyword to nft's text parser: hence the longer names.
CHAINS: Final = ("from_ports", "from_this_box", "isolations")


class Element(msgspec.Struct, frozen=True):
    """What stands in one of the sets: a MAC, an address, or a bridge port with a MAC."""

    set_name: str
    value: str | tuple[str, ...]


class Armed(msgspec.Struct, frozen=True):
    """For whom an element stands, and until when."""

    isolation_id: str
    expires_ns: int


class NftIsolator:
    """Keeps the leases as elements of sets in a table of our own; touches no other table.

    The kernel frees a host when its element expires, whether or not a program of ours is alive.
    A lease names a MAC (on one bridge port, where that is given too), an IP, or both.
    """

    name = "nft"
    ends_by_itself = True

    def __init__(
        self, program: Sequence[str] = ("nft",), now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        """Prepare.

        Args:
            program: How nft is called.
            now_ns: The clock by which leases end.
        """
        self._program = tuple(program)
        self._now_ns = now_ns
        self._desired: tuple[Lease, ...] = ()

    async def apply(self, desired: Sequence[Lease]) -> None:
        """Make exactly these leases hold, in one transaction."""
        now_ns = self._now_ns()
        wanted = _wanted(lease for lease in desired if lease.expires_ns > now_ns)
        listed = await self._listed()
        held = self._armed(listed)
        self._desired = tuple(desired)
        if not wanted and not listed:
            return  # nothing to hold: no table of ours either
        deeds = _table_deeds()
        for element in held.keys() - wanted.keys():
            deeds += _removed(element)
        for element, armed in wanted.items():
            deeds += [*_removed(element), {"add": _element(element, armed, now_ns)}]
        await self._transact(deeds)

    async def widened(self, lease: Lease) -> Sequence[Lease]:
        """Return the lease alone: nothing beyond it is cut off."""
        return (lease,)

    async def read_back(self) -> tuple[Lease, ...]:
        """Return the leases whose elements the kernel holds, with the time it gives them.

        Elements that no rule of ours looks at hold nobody.
        """
        listed = await self._listed()
        held = self._armed(listed) if _has_all_rules(listed) else {}
        leases, explained = [], set()
        for lease in self._desired:
            elements = list(_elements(lease))
            if all(element in held for element in elements):
                until_ns = min(held[element].expires_ns for element in elements)
                leases.append(msgspec.structs.replace(lease, expires_ns=until_ns))
                explained.update(elements)
        rest = {element: armed for element, armed in held.items() if element not in explained}
        return (*leases, *_leases_of(rest))

    async def clear(self) -> None:
        """Delete our table, and with it every isolation."""
        table = {"table": {"family": "bridge", "name": "edgewarden"}}
        await self._transact([{"add": table}, {"delete": table}])
        self._desired = ()

    async def _transact(self, deeds: list[dict[str, Any]]) -> None:
        await run((*self._program, "-j", "-f", "-"), {"nftables": deeds})

    async def _listed(self) -> Any:  # noqa: ANN401
        tables = parsed(await run((*self._program, "-j", "list", "tables", "bridge")))
        if not any(item.get("name") == "edgewarden" for item in _items(tables, "table")):
            return []
        list_ours = (*self._program, "-j", "list", "table", "bridge", "edgewarden")
        return parsed(await run(list_ours))

    def _armed(self, listed: Any) -> dict[Element, Armed]:  # noqa: ANN401
        now_ns = self._now_ns()
        held: dict[Element, Armed] = {}
        for item in _items(listed, "set"):
            held.update(_elements_of(item, now_ns))
        return held


def _has_all_rules(listed: Any) -> bool:  # noqa: ANN401
    dropping, jumping = set(), set()
    for rule in _items(listed, "rule"):
        spoken = {key: value for part in rule["expr"] for key, value in part.items()}
        if rule["chain"] == "isolations" and "drop" in spoken and "match" in spoken:
            dropping.add(repr((spoken["match"]["left"], spoken["match"]["right"])))
        if spoken.get("jump") == {"target": "isolations"}:
            jumping.add(rule["chain"])
    wanted = {repr((left, "@" + name)) for left, name in _matches()}
    return wanted <= dropping and jumping >= set(CHAINS[:2])


def _wanted(leases: Iterable[Lease]) -> dict[Element, Armed]:
    wanted: dict[Element, Armed] = {}
    for lease in leases:
        for element in _elements(lease):
            longest = wanted.get(element)
            if longest is None or longest.expires_ns < lease.expires_ns:
                wanted[element] = Armed(lease.isolation_id, lease.expires_ns)
    return wanted


def _elements(lease: Lease) -> Iterator[Element]:
    if lease.mac is None and lease.ip is None:
        message = "nft isolates a MAC or an IP; for a bridge port alone use bridge_port"
        raise IsolationError(message)
    if lease.mac is not None and lease.bridge_port is not None:
        yield Element("isolated_port_macs", (lease.bridge_port, lease.mac))
    elif lease.mac is not None:
        yield Element("isolated_macs", lease.mac)
    if lease.ip is not None:
        try:
            address = ipaddress.ip_address(lease.ip)
        except ValueError as error:
            raise IsolationError(str(error)) from error
        yield Element(f"isolated_ipv{address.version}", str(address))


def _leases_of(held: dict[Element, Armed]) -> list[Lease]:
    """Return the leases of elements that an earlier start, or a person, put there."""
    leases: dict[str, Lease] = {}
    for element, armed in held.items():
        found = _lease_of(element, armed)
        known = leases.get(found.isolation_id)
        leases[found.isolation_id] = found if known is None else _both(known, found)
    return list(leases.values())


def _both(one: Lease, other: Lease) -> Lease:
    return Lease(
        isolation_id=one.isolation_id,
        mac=one.mac or other.mac,
        ip=one.ip or other.ip,
        bridge_port=one.bridge_port or other.bridge_port,
        expires_ns=min(one.expires_ns, other.expires_ns),
    )


def _lease_of(element: Element, armed: Armed) -> Lease:
    plain = Lease(isolation_id=armed.isolation_id, expires_ns=armed.expires_ns)
    match element.value:
        case (port, mac):
            return msgspec.structs.replace(plain, bridge_port=port, mac=mac)
        case str() as value if element.set_name == "isolated_macs":
            return msgspec.structs.replace(plain, mac=value)
        case value:
            return msgspec.structs.replace(plain, ip=value)


def _elements_of(item: dict[str, Any], now_ns: int) -> Iterator[tuple[Element, Armed]]:
    name = item["name"]
    if name.endswith("_pairs"):
        return  # of a person: no lease of ours cuts a pair
    for listed in item.get("elem", []):
        inner = listed.get("elem", listed) if isinstance(listed, dict) else {"val": listed}
        told = inner.get("val", inner)
        value = tuple(told["concat"]) if isinstance(told, dict) else str(told)
        comment = inner.get("comment", "")
        ours = comment.startswith(COMMENT)
        # An element without our comment was put there by hand; its id is made from its value.
        by_hand = hashlib.sha256(repr(value).encode()).hexdigest()[:32]
        isolation_id = comment.removeprefix(COMMENT) if ours else by_hand
        left_s = inner.get("expires", 0)
        yield Element(name, value), Armed(isolation_id, now_ns + left_s * SECOND_NS)


def _items(listed: Any, kind: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    for item in listed.get("nftables", []) if isinstance(listed, dict) else []:
        if kind in item:
            yield item[kind]


def _removed(element: Element) -> list[dict[str, Any]]:
    # Deleting what has just expired would fail the transaction; what is added first is there.
    there = _element(element, None, 0)
    return [{"add": there}, {"delete": there}]


def _element(element: Element, armed: Armed | None, now_ns: int) -> dict[str, Any]:
    concat = isinstance(element.value, tuple)
    value: object = {"concat": list(element.value)} if concat else element.value
    if armed is not None:
        left_s = max(1, -(-(armed.expires_ns - now_ns) // SECOND_NS))  # rounded up
        comment = COMMENT + armed.isolation_id
        value = {"elem": {"val": value, "timeout": left_s, "comment": comment}}
    return {"element": {**TABLE, "name": element.set_name, "elem": [value]}}


def _table_deeds() -> list[dict[str, Any]]:
    """Return what makes the table, or finds it made: sets stay, only the rules are written anew."""
    deeds: list[dict[str, Any]] = [
        {"add": {"table": {"family": "bridge", "name": "edgewarden"}}},
        *(
            {
                "add": {
                    "set": {
                        **TABLE,
                        "name": name,
                        "type": kind,
                        "flags": ["timeout"],
                        "size": SET_SIZE,
                    }
                }
            }
            for name, kind in SETS.items()
        ),
        {"add": {"chain": _hooked("from_ports", "prerouting", BEFORE_THE_BRIDGE)}},
        {"add": {"chain": _hooked("from_this_box", "output", 0)}},
        {"add": {"chain": {**TABLE, "name": "isolations"}}},
    ]
    deeds += [{"flush": {"chain": {**TABLE, "name": name}}} for name in CHAINS]
    deeds += [_rule("isolations", *_dropping(*match)) for match in _matches()]
    deeds += [_rule(name, {"jump": {"target": "isolations"}}) for name in CHAINS[:2]]
    return deeds


def _matches() -> Iterator[tuple[object, str]]:
    source, target = _field("ether", "saddr"), _field("ether", "daddr")
    yield source, "isolated_macs"
    yield target, "isolated_macs"
    yield {"concat": [{"meta": {"key": "iifname"}}, source]}, "isolated_port_macs"
    yield {"concat": [source, target]}, "isolated_mac_pairs"
    for protocol, name in (("ip", "isolated_ipv4"), ("ip6", "isolated_ipv6")):
        source, target = _field(protocol, "saddr"), _field(protocol, "daddr")
        yield source, name
        yield target, name
        yield {"concat": [source, target]}, name + "_pairs"


def _field(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


def _hooked(name: str, hook: str, priority: int) -> dict[str, Any]:
    return {
        **TABLE,
        "name": name,
        "type": "filter",
        "hook": hook,
        "prio": priority,
        "policy": "accept",
    }


def _dropping(left: object, set_name: str) -> list[dict[str, Any]]:
    match = {"match": {"op": "==", "left": left, "right": "@" + set_name}}
    return [match, {"counter": None}, {"drop": None}]


def _rule(chain: str, *statements: dict[str, Any]) -> dict[str, Any]:
    return {"add": {"rule": {**TABLE, "chain": chain, "expr": list(statements)}}}
