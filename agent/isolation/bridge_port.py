"""Isolation of whole bridge ports: the bridge takes no frames from them and gives them none."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from agent.errors import IsolationError, NoBridgeError
from agent.isolation import Lease
from agent.isolation.programs import parsed, run

DISABLED, FORWARDING = "disabled", "forwarding"
STATES: Final = {DISABLED: "0", FORWARDING: "3"}
MARK: Final = "edgewarden:"  # begins the alias of a port that we disabled: mark id:until_ns|alias


class Held(msgspec.Struct, frozen=True):
    """A port that we disabled, as its alias tells."""

    isolation_id: str
    expires_ns: int
    alias: str  # what stood there before


class BridgePortIsolator:
    """Disables bridge ports. The frames of an isolated host are still captured.

    A lease that names a MAC or an IP alone means the port where the bridge last saw that MAC.
    Which lease holds a port, and until when, is kept in the port's alias, so that it survives
    this program; but the kernel does not end it by itself, and a port whose cable was pulled and
    put back forwards again until the next `apply`.
    """

    name = "bridge_port"
    ends_by_itself = False

    def __init__(
        self,
        bridge: str,
        prefix: Sequence[str] = (),
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Prepare.

        Args:
            bridge: The bridge whose ports are isolated.
            prefix: What to put in front of `ip` and `bridge`.
            now_ns: The clock by which leases end.
        """
        self._bridge = bridge
        self._prefix = tuple(prefix)
        self._now_ns = now_ns
        self._ports: dict[str, tuple[Lease, str]] = {}  # isolation id -> lease, its port

    async def apply(self, desired: Sequence[Lease]) -> None:
        """Disable the ports of these leases, and enable those that we disabled for others."""
        now_ns = self._now_ns()
        links = await self._links()
        ports = {
            lease.isolation_id: (lease, await self._port_of(lease, links))
            for lease in desired
            if lease.expires_ns > now_ns
        }
        wanted: dict[str, Lease] = {}
        for lease, port in ports.values():
            if port not in wanted or wanted[port].expires_ns < lease.expires_ns:
                wanted[port] = lease
        for port, lease in wanted.items():
            await self._disable(port, lease, links[port])
        for port, alias in links.items():
            held = _held(alias)
            if held is not None and port not in wanted:
                await self._enable(port, held)
        self._ports = ports

    async def widened(self, lease: Lease) -> Sequence[Lease]:
        """Return a lease on the whole port, and so on everybody behind it."""
        port = await self._port_of(lease, await self._links())
        return (msgspec.structs.replace(lease, mac=None, ip=None, bridge_port=port),)

    async def read_back(self) -> tuple[Lease, ...]:
        """Return the leases whose ports are disabled, by the bridge's own word."""
        aliases = await self._links()
        disabled = {
            port: held
            for port in await self._disabled()
            if (held := _held(aliases.get(port, ""))) is not None
        }
        known = [lease for lease, port in self._ports.values() if port in disabled]
        explained = {port for _, port in self._ports.values()}
        foreign = [
            Lease(isolation_id=held.isolation_id, bridge_port=port, expires_ns=held.expires_ns)
            for port, held in disabled.items()
            if port not in explained
        ]
        return (*known, *foreign)

    async def learnt(self) -> dict[str, str]:
        """Return behind which port the bridge last saw each MAC."""
        return await learnt_ports(self._bridge, self._prefix)

    async def clear(self) -> None:
        """Enable every port that we disabled."""
        await self.apply(())

    async def _disable(self, port: str, lease: Lease, alias: str) -> None:
        held = _held(alias)
        before = alias if held is None else held.alias
        mark = f"{MARK}{lease.isolation_id}:{lease.expires_ns}|{before}"
        await self._ip("link", "set", "dev", port, "alias", mark)
        await self._set_state(port, DISABLED)

    async def _enable(self, port: str, held: Held) -> None:
        await self._set_state(port, FORWARDING)
        await self._ip("link", "set", "dev", port, "alias", held.alias)

    async def _port_of(self, lease: Lease, links: Iterable[str]) -> str:
        if lease.part is not None:
            message = f"{self.name} cuts off whole ports, not a {lease.part.kind}"
            raise IsolationError(message)
        # Nothing is learned at a disabled port, so where its MAC was seen must be remembered.
        known = self._ports.get(lease.isolation_id)
        seen_at = known[1] if known is not None and known[0].mac == lease.mac else None
        port = lease.bridge_port or seen_at or await self._seen_at(lease.mac)
        if port not in links:
            message = f"{port} is no port of {self._bridge}"
            raise IsolationError(message)
        return port

    async def _seen_at(self, mac: str | None) -> str:
        ports = await self.learnt()
        if mac not in ports:
            message = f"{self._bridge} has not seen {mac} at any of its ports"
            raise IsolationError(message)
        return ports[mac]

    async def _links(self) -> dict[str, str]:
        """Return the alias of every port of the bridge."""
        return await ports_of(self._bridge, self._prefix)

    async def _disabled(self) -> list[str]:
        command = (*self._prefix, "bridge", "-j", "link", "show")
        return [
            link["ifname"]
            for link in _named(parsed(await run(command)))
            if link.get("master") == self._bridge and link.get("state") == DISABLED
        ]

    async def _set_state(self, port: str, state: str) -> None:
        command = (*self._prefix, "bridge", "link", "set", "dev", port, "state", STATES[state])
        await run(command)

    async def _ip(self, *words: str) -> bytes:
        return await run((*self._prefix, "ip", *words))


async def ports_of(bridge: str, prefix: Sequence[str] = ()) -> dict[str, str]:
    """Return the ports of a bridge, and the alias of each.

    Raises:
        NoBridgeError: There is no such bridge.
        IsolationError: It cannot be asked.
    """
    links = _named(parsed(await run((*prefix, "ip", "-j", "link", "show"))))
    if all(link["ifname"] != bridge for link in links):
        message = f"no bridge {bridge}"
        raise NoBridgeError(message)
    return {
        link["ifname"]: link.get("ifalias", "") for link in links if link.get("master") == bridge
    }


async def learnt_ports(bridge: str, prefix: Sequence[str] = ()) -> dict[str, str]:
    """Return behind which port a bridge last saw each MAC.

    Raises:
        IsolationError: There is no such bridge, or it cannot be asked.
    """
    entries = parsed(await run((*prefix, "bridge", "-j", "fdb", "show", "br", bridge)))
    return {
        entry["mac"]: entry["ifname"]
        for entry in entries
        if entry.get("master") == bridge and entry.get("state") != "permanent"
    }


def _named(links: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    return [link for link in links if "ifname" in link]  # iproute2 pads its lists with {}


def _held(alias: str) -> Held | None:
    if not alias.startswith(MARK):
        return None
    mark, _, before = alias.removeprefix(MARK).partition("|")
    isolation_id, _, until_ns = mark.partition(":")
    return Held(isolation_id, int(until_ns) if until_ns.isdecimal() else 0, before)
