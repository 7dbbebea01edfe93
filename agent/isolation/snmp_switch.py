"""Isolation at a managed switch: the port behind which a host was learnt is closed, by SNMP."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from agent.config import SwitchConfig
from agent.errors import IsolationError
from agent.exempt import Exempt
from agent.isolation import Lease
from agent.isolation.closed_ports import Closed, ClosedPorts
from agent.isolation.pinned import Pinned
from agent.isolation.snmp import SnmpClient, SwitchAwayError, read_login
from agent.isolation.switch_tables import ADMIN_STATUS, NAME, SYSTEM, Tables, read_tables

log = logging.getLogger(__name__)

UP, DOWN = 1, 2
SECOND_NS: Final = 1_000_000_000
MOST_S: Final = 25.0  # for all that one request needs
TABLES_S: Final = 10.0
NEVER_NS: Final = -(2**62)
FRESH_NS: Final = 5 * SECOND_NS  # for closing a port
LOOK_NS: Final = 60 * SECOND_NS  # for knowing who lives where
MAX_PLACE_CHARACTERS: Final = 200
LOOKS_BACK: Final = 5
LOOK_BACK_S: Final = 0.2


class SwitchLook(msgspec.Struct, frozen=True):
    """What a look at the switch says for people."""

    system: str
    tables: Tables
    uplinks: dict[str, str]  # port -> why it is never closed
    tried: str  # the port that was set to what it is
    refused: str  # why that was not possible; empty: it was
    lost: str  # who exempt may be behind any port, so that none is closed; empty: nobody


class SnmpSwitchIsolator:
    """Closes ports of a switch (ifAdminStatus down), and opens those alone that it closed.

    A switch knows no time: a lease ends because this program ends it. Which ports are closed is on
    disk before they are, so that whoever starts next opens them in time.
    """

    name = "snmp_switch"
    ends_by_itself = False

    def __init__(
        self,
        config: SwitchConfig,
        folder: Path,
        now_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Prepare; the switch is asked later.

        Args:
            config: Which switch, and what of it is never closed.
            folder: Where it is kept which ports are closed.
            now_ns: The clock by which leases end.
            monotonic_ns: A clock that only goes forward.

        Raises:
            ConfigError: The credentials cannot be read, or others may read them.
        """
        self._config = config
        self._client = SnmpClient(config, read_login(config))
        self._file = ClosedPorts(folder)
        self._now_ns = now_ns
        self._monotonic_ns = monotonic_ns
        self._tables = Tables({}, {})
        self._tables_ns = self._away_ns = NEVER_NS
        self._why_away = ""
        self._homes: dict[str, Pinned] = {}  # of every MAC in the tables

    async def apply(self, desired: Sequence[Lease]) -> None:
        """Close the ports of these leases, and open those that we closed for others.

        What cannot be done for one lease does not keep the others from it; it is raised at the end.
        """
        async with _in_time(self._config.host, MOST_S):
            known, failures = self._file.read(), _Failures()
            wanted: dict[str, Closed] = {}
            for lease in desired:
                if lease.expires_ns > self._now_ns():
                    with failures:
                        port = await self._port_of(lease, known)
                        wanted[lease.isolation_id] = Closed(lease, port)
            ours = {each.port for each in known.values()}
            for port, leases in _by_port(wanted).items():
                with failures:
                    await self._close(port, leases, is_ours=port in ours)
            over = {key: each for key, each in known.items() if key not in wanted}
            for port, leases in _by_port(over).items():
                with failures:
                    if port not in _by_port(wanted):
                        await self._open(port)
                    self._file.change(removed=[each.lease.isolation_id for each in leases])
            failures.tell()

    async def widened(self, lease: Lease) -> Sequence[Lease]:
        """Return a lease on the whole port, and one on each MAC that was learnt there."""
        known = self._file.read()
        port = await self._port_of(lease, known)
        whole = msgspec.structs.replace(lease, mac=None, ip=None, bridge_port=port)
        if lease.isolation_id in known:
            return (whole,)
        macs = sorted(self._tables.hosts.get(port, ()))
        return (
            whole,
            *(msgspec.structs.replace(whole, mac=mac, bridge_port=None) for mac in macs),
        )

    async def read_back(self) -> tuple[Lease, ...]:
        """Return the leases whose ports are down, by the switch's own word."""
        known = self._file.read()
        async with _in_time(self._config.host, MOST_S):
            down = {port for port in _by_port(known) if (await self._status(port))[1] == DOWN}
        return tuple(
            msgspec.structs.replace(each.lease, at=self._place(each.port))
            for each in known.values()
            if each.port in down
        )

    async def clear(self) -> None:
        """Open every port that we closed."""
        await self.apply(())

    async def learnt(self) -> dict[str, str]:
        """Return behind which port each MAC was learnt; of one at several ports, nothing."""
        tables = await self._read(LOOK_NS)
        seen: dict[str, list[str]] = {}
        for port, macs in tables.hosts.items():
            for mac in macs:
                seen.setdefault(mac, []).append(port)
        return {mac: ports[0] for mac, ports in seen.items() if len(ports) == 1}

    async def look(self, exempt: Exempt) -> SwitchLook:
        """Return what can be done here; a port is set to what it is, to try it.

        Args:
            exempt: Who must never be cut off.

        Raises:
            IsolationError: The switch does not answer, or cannot tell who is where.
        """
        system = await self._client.get(SYSTEM)
        tables = await self._read(-1)
        own = {each.mac for each in exempt.exemptions if each.mac}
        uplinks = {port: why for port in tables.interfaces if (why := self._uplink(port, own))}
        tried = next((port for port in tables.interfaces if port not in uplinks), "")
        refused = await self._try(tried) if tried else ""
        text = " ".join(
            part.decode(errors="replace") for part in system if isinstance(part, bytes)
        )
        lost = exempt.why(None, None, tried) or "" if tried else ""
        return SwitchLook(text, tables, uplinks, tried, refused, lost)

    async def _try(self, port: str) -> str:
        try:
            index, state = await self._status(port)
            await self._client.set_integer((*ADMIN_STATUS, index), state)
        except IsolationError as error:
            return str(error)
        return ""

    def close(self) -> None:
        """Give the socket back."""
        self._client.close()

    def _place(self, port: str) -> str:
        return f"port {port} of switch {self._config.host}"[:MAX_PLACE_CHARACTERS]

    async def _port_of(self, lease: Lease, known: dict[str, Closed]) -> str:
        if lease.part is not None:
            message = f"a switch closes whole ports, not a {lease.part.kind}"
            raise IsolationError(message)
        before = known.get(lease.isolation_id)
        # Nothing is learnt at a closed port, so where its host was must be remembered.
        if before is not None and before.lease.mac == lease.mac:
            return before.port
        tables = await self._read(FRESH_NS)
        port = lease.bridge_port if lease.mac is None else self._home(lease, tables)
        if port is None:
            message = f"{lease.ip} is behind a router: a switch closes whole ports"
            raise IsolationError(message)
        if port not in tables.interfaces:
            message = f"switch {self._config.host} has no port {port!r}"
            raise IsolationError(message)
        if why := self._uplink(port):
            message = f"port {port} is an uplink: {why}"
            raise IsolationError(message)
        return port

    def _home(self, lease: Lease, tables: Tables) -> str:
        mac, ports = lease.mac or "", tables.ports_of(lease.mac or "")
        if lease.bridge_port is not None:
            why = f"{mac} is used behind two bridge ports of this box"
        elif not ports:
            why = f"switch {self._config.host} has not learnt {mac} at any of its ports"
        elif len(ports) > 1 or self._homes[mac].get(mac) != ports[0]:
            at = sorted({*ports, self._homes[mac].get(mac) or ports[0]})
            why = f"{mac} was learnt at several ports lately ({', '.join(at)})"
        else:
            return ports[0]
        raise IsolationError(why)

    def _uplink(self, port: str, own: Iterable[str] = ()) -> str:
        """Return why a port is never closed, nothing if it may be."""
        macs = self._tables.hosts.get(port, frozenset())
        if port in self._config.uplinks:
            return "listed in uplinks"
        if len(macs) > self._config.max_macs:
            return f"{len(macs)} MACs were learnt there (max_macs = {self._config.max_macs})"
        return next((f"{mac} is never cut off" for mac in sorted(macs & set(own))), "")

    async def _close(self, port: str, leases: list[Closed], *, is_ours: bool) -> None:
        index, state = await self._status(port)
        if state == DOWN and not is_ours:
            message = f"port {port} of the switch is down already, and not by us"
            raise IsolationError(message)
        self._file.change(added=leases)
        if state != DOWN:
            await self._set(port, index, DOWN)
            log.warning("port_closed", extra={"switch": self._config.host, "port": port})

    async def _open(self, port: str) -> None:
        index, state = await self._status(port)
        if state != UP:
            await self._set(port, index, UP)
            log.info("port_opened", extra={"switch": self._config.host, "port": port})

    async def _set(self, port: str, index: int, wanted: int) -> None:
        await self._client.set_integer((*ADMIN_STATUS, index), wanted)
        for _ in range(LOOKS_BACK):  # some switches take their time
            if (await self._status(port))[1] == wanted:
                return
            await asyncio.sleep(LOOK_BACK_S)
        message = f"port {port} of the switch is not {'down' if wanted == DOWN else 'up'}"
        raise IsolationError(message)

    async def _status(self, port: str) -> tuple[int, int]:
        """Return a port's ifIndex and ifAdminStatus; after a restart a switch may number anew."""
        for most_ns in (LOOK_NS, -1):
            index = (await self._read(most_ns)).interfaces.get(port)
            if index is not None:
                name, state = await self._client.get([(*NAME, index), (*ADMIN_STATUS, index)])
                if name == port.encode() and isinstance(state, int):
                    return index, state
        message = f"switch {self._config.host} has no port {port!r}"
        raise IsolationError(message)

    async def _read(self, most_ns: int) -> Tables:
        """Return the tables, read again if they are older than that."""
        now_ns = self._monotonic_ns()
        if now_ns - self._away_ns < FRESH_NS:
            raise SwitchAwayError(self._why_away)  # many ask, one waits
        if now_ns - self._tables_ns > most_ns:
            try:
                async with _in_time(self._config.host, TABLES_S):
                    tables = await read_tables(self._client)
            except SwitchAwayError as error:
                if not self._why_away:
                    log.warning("switch_away", extra={"why": str(error)})
                self._away_ns, self._why_away = self._monotonic_ns(), str(error)
                raise
            if self._why_away:
                log.info("switch_back", extra={"switch": self._config.host})
            self._why_away = ""
            self._remember(tables, self._monotonic_ns())  # asking may take longer than FRESH_NS
        return self._tables

    def _remember(self, tables: Tables, now_ns: int) -> None:
        self._tables, self._tables_ns = tables, now_ns
        present = frozenset[str]().union(*tables.hosts.values())
        self._homes = {mac: self._homes.get(mac, Pinned()) for mac in present}
        for port, macs in tables.hosts.items():
            for mac in macs:
                self._homes[mac].see(mac, port, now_ns)


class _Failures:
    """Keeps what failed for one lease from keeping the others; a switch that is away ends all."""

    def __init__(self) -> None:
        self._first: IsolationError | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, IsolationError) or isinstance(error, SwitchAwayError):
            return False
        self._first = self._first or error
        return True

    def tell(self) -> None:
        if self._first is not None:
            raise self._first


def _by_port(closed: dict[str, Closed]) -> dict[str, list[Closed]]:
    found: dict[str, list[Closed]] = {}
    for each in closed.values():
        found.setdefault(each.port, []).append(each)
    return found


@asynccontextmanager
async def _in_time(host: str, seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        message = f"switch {host} does not answer within {seconds:g} s"
        raise SwitchAwayError(message) from error
