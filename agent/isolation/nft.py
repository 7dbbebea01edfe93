"""Isolation by nftables on the bridge: sets whose elements the kernel lets expire by itself."""

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from agent.errors import IsolationError, NoBridgeError
from agent.isolation import Lease
from agent.isolation.bridge_port import learnt_ports, ports_of
from agent.isolation.nft_library import Nftables, NftLibrary
from agent.isolation.nft_table import (
    NAME,
    Armed,
    Element,
    element_text,
    elements_of,
    has_all_rules,
    lease_of,
    read_value,
    table_deeds,
)

SECOND_NS: Final = 1_000_000_000
MILLISECOND_NS: Final = 1_000_000
# The kernel counts in ticks of 1 to 10 ms, and may lose two of them: no lease ends before its time,
# or else it would be taken for lost.
TICKS_MS: Final = 25
COMMENT: Final = "edgewarden:"  # in front of the isolation's id
_OURS: Final = re.compile(COMMENT + "([0-9a-f]{32})")


class NftIsolator:
    """Keeps the leases as elements of sets in a table of our own; touches no other table.

    The kernel frees a host when its element expires, whether or not a program of ours is alive.
    A lease names a MAC (on one bridge port, where that is given too), an IP, or both; a part of what
    one of these says; or a bridge port, from which then nothing is taken.
    """

    name = "nft"
    ends_by_itself = True

    def __init__(
        self,
        bridge: str = "br0",
        prefix: Sequence[str] = (),
        now_ns: Callable[[], int] = time.time_ns,
        nftables: Nftables | None = None,
    ) -> None:
        """Prepare.

        Args:
            bridge: The bridge whose ports can be cut off.
            prefix: What to put in front of `ip` and `bridge`.
            now_ns: The clock by which leases end.
            nftables: Of the same network as `prefix`; None: of this process.
        """
        self._bridge = bridge
        self._prefix = tuple(prefix)
        self._now_ns = now_ns
        self._nftables = nftables or NftLibrary()
        self._desired: tuple[Lease, ...] = ()
        self._has_ports = True  # as long as nobody has looked

    async def apply(self, desired: Sequence[Lease]) -> None:
        """Make exactly these leases hold: the table where it is missing, then all in one transaction.

        Raises:
            IsolationError: The kernel refused, or there is no bridge through which frames pass here,
                so that nothing would be dropped whatever stands in the sets.
        """
        now_ns = self._now_ns()
        wanted = _wanted(lease for lease in desired if lease.expires_ns > now_ns)
        listed = self._listed()
        held = self._armed(listed)
        self._desired = tuple(desired)
        if not wanted and not listed:
            return  # nothing to hold: no table of ours either
        if wanted and not self._has_ports:
            message = (
                f"{self._bridge} has no ports, so nothing passes here: see edgewarden-agent doctor"
            )
            raise IsolationError(message)
        # As text, since nft's JSON takes timeouts in whole seconds only.
        lines = [line for element in held.keys() | wanted.keys() for line in _removed(element)]
        lines += [_standing(element, armed, now_ns) for element, armed in wanted.items()]
        self._nftables.run(table_deeds())
        self._nftables.run("\n".join(lines))

    async def widened(self, lease: Lease) -> Sequence[Lease]:
        """Return the lease alone: nothing beyond it is cut off."""
        if lease.bridge_port is not None and lease.mac is None and lease.ip is None:
            # Of another interface nothing would be dropped, whatever stands in the set.
            ports = await ports_of(self._bridge, self._prefix)
            if lease.bridge_port not in ports:
                message = f"{lease.bridge_port} is no port of {self._bridge}"
                raise IsolationError(message)
        return (lease,)

    async def learnt(self) -> dict[str, str]:
        """Return behind which port the bridge last saw each MAC; see whether it has ports at all."""
        try:
            self._has_ports = bool(await ports_of(self._bridge, self._prefix))
        except NoBridgeError:
            self._has_ports = False
            raise
        return await learnt_ports(self._bridge, self._prefix)

    async def read_back(self) -> tuple[Lease, ...]:
        """Return the leases whose elements the kernel holds, with the whole seconds it gives them.

        Elements that no rule of ours looks at hold nobody, nor do those of a bridge that had no
        ports at the last look.
        """
        listed = self._listed()
        held = self._armed(listed) if has_all_rules(_items(listed, "rule")) else {}
        if not self._has_ports:
            held = {}
        leases, explained = [], set()
        for lease in self._desired:
            elements = elements_of(lease)
            if all(element in held for element in elements):
                until_ns = min(held[element].expires_ns for element in elements)
                leases.append(msgspec.structs.replace(lease, expires_ns=until_ns))
                explained.update(elements)
        rest = {element: armed for element, armed in held.items() if element not in explained}
        return (*leases, *_leases_of(rest))

    async def clear(self) -> None:
        """Delete our table, and with it every isolation."""
        table = {"table": {"family": "bridge", "name": NAME}}
        self._nftables.run([{"add": table}, {"delete": table}])
        self._desired = ()

    def _listed(self) -> Any:  # noqa: ANN401
        tables = self._nftables.run([{"list": {"tables": {"family": "bridge"}}}])
        if not any(item.get("name") == NAME for item in _items(tables, "table")):
            return []
        return self._nftables.run([{"list": {"table": {"family": "bridge", "name": NAME}}}])

    def _armed(self, listed: Any) -> dict[Element, Armed]:  # noqa: ANN401
        now_ns = self._now_ns()
        held: dict[Element, Armed] = {}
        for item in _items(listed, "set"):
            held.update(_standing_in(item, now_ns))
        return held


def _wanted(leases: Iterable[Lease]) -> dict[Element, Armed]:
    wanted: dict[Element, Armed] = {}
    for lease in leases:
        for element in elements_of(lease):
            longest = wanted.get(element)
            if longest is None or longest.expires_ns < lease.expires_ns:
                wanted[element] = Armed(lease.isolation_id, lease.expires_ns)
    return wanted


def _leases_of(held: dict[Element, Armed]) -> list[Lease]:
    """Return the leases of elements that an earlier start, or a person, put there."""
    leases: dict[str, Lease] = {}
    for element, armed in held.items():
        found = lease_of(element, armed)
        known = leases.get(found.isolation_id)
        leases[found.isolation_id] = found if known is None else _both(known, found)
    return list(leases.values())


def _both(one: Lease, other: Lease) -> Lease:
    return Lease(
        isolation_id=one.isolation_id,
        mac=one.mac or other.mac,
        ip=one.ip or other.ip,
        bridge_port=one.bridge_port or other.bridge_port,
        part=one.part or other.part,
        expires_ns=min(one.expires_ns, other.expires_ns),
    )


def _standing_in(item: dict[str, Any], now_ns: int) -> Iterator[tuple[Element, Armed]]:
    for listed in item.get("elem", []):
        inner = listed.get("elem", listed) if isinstance(listed, dict) else {"val": listed}
        element = read_value(item["name"], inner.get("val", inner))
        if element is None:
            continue
        ours = _OURS.fullmatch(inner.get("comment", ""))
        # An element without our comment was put there by hand; its id is made from its value.
        by_hand = hashlib.sha256(repr(element).encode()).hexdigest()[:32]
        isolation_id = by_hand if ours is None else ours[1]
        left_s = inner.get("expires", 0)
        yield element, Armed(isolation_id, now_ns + left_s * SECOND_NS)


def _items(listed: Any, kind: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    for item in listed.get("nftables", []) if isinstance(listed, dict) else []:
        if kind in item:
            yield item[kind]


def _removed(element: Element) -> list[str]:
    # Deleting what has just expired would fail the transaction; what is added first is there.
    there = element_text(element)
    return [f"add {there}", f"delete {there}"]


def _standing(element: Element, armed: Armed, now_ns: int) -> str:
    left_ms = -(-(armed.expires_ns - now_ns) // MILLISECOND_NS) + TICKS_MS
    seconds, ms = divmod(left_ms, 1000)  # of more than 999 ms nft reads none
    options = f'timeout {seconds}s{ms}ms comment "{COMMENT}{armed.isolation_id}"'
    return f"add {element_text(element, options)}"
