"""Whom this box and its network need: read from the kernel and its files, never from frames."""

import asyncio
import ipaddress
import re
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psutil

from agent.errors import IsolationError
from agent.exempt import ON_LINK, THIS_BOX, Exempt, Exemption
from agent.isolation.pinned import Pinned
from agent.isolation.programs import parsed, run

RESOLVE_S: Final = 2.0
MAX_NAMES: Final = 32

_RESOLVERS: Final = ("etc/resolv.conf", "run/systemd/resolve/resolv.conf")
_LEASES: Final = (
    "run/systemd/netif/leases/*",
    "var/lib/NetworkManager/*.lease",
    "var/lib/dhcp/*.leases",
)
_TIME_SETTINGS: Final = (
    "etc/systemd/timesyncd.conf",
    "etc/systemd/timesyncd.conf.d/*.conf",
    "etc/chrony/chrony.conf",
    "etc/ntpsec/ntp.conf",
)
_SESSIONS: Final = "run/systemd/sessions/*"

_NAMESERVER: Final = re.compile(r"^nameserver\s+(\S+)", re.MULTILINE)
# Of networkd and NetworkManager, of dhclient.
_DHCP_SERVER: Final = re.compile(
    r"(?:^SERVER_ADDRESS=|dhcp-server-identifier )([\d.]+)", re.MULTILINE
)
_DHCP_TIME: Final = re.compile(r"^NTP=(.+)$", re.MULTILINE)
_TIME_SERVER: Final = re.compile(
    r"^(?:NTP=|FallbackNTP=|(?:server|pool|peer)\s+)(.+)$", re.MULTILINE
)
_REMOTE_HOST: Final = re.compile(r"^REMOTE_HOST=(.+)$", re.MULTILINE)
_NAME: Final = re.compile(r"[A-Za-z0-9:.-]{1,253}")


class Surroundings:
    """Finds the exempt: who is written down, this box, and whom it depends on.

    An address of the network is exempt with the MAC that the kernel knows for it, and a MAC with the
    bridge port behind which it lives. Both can be forged for a while, so both are pinned.
    """

    def __init__(  # noqa: PLR0913 each is a place to look at
        self,
        exemptions: Iterable[Exemption],
        names: Mapping[str, str],
        learnt: Callable[[], Awaitable[Mapping[str, str]]],
        *,
        prefix: Sequence[str] = (),
        root: Path = Path("/"),
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Prepare.

        Args:
            exemptions: Who is exempt by the settings.
            names: Further hosts that are needed: name or address -> who that is.
            learnt: Returns behind which port each MAC was last seen; may raise IsolationError.
            prefix: What to put in front of `ip`.
            root: The folder under which the system's files lie.
            monotonic_ns: A clock that only goes forward.
        """
        self._exemptions = list(exemptions)
        self._names = {name: who for name, who in names.items() if name}
        self._learnt = learnt
        self._prefix = tuple(prefix)
        self._root = root
        self._monotonic_ns = monotonic_ns
        self._macs = Pinned()  # of addresses
        self._homes = Pinned()  # bridge ports of MACs
        self._resolved: dict[str, list[str]] = {}

    async def look(self) -> Exempt:
        """Return who is exempt now.

        Raises:
            IsolationError: The kernel's addresses, routes or neighbours cannot be read.
        """
        own = await self._own()
        needed = [*await self._gateways(), *self._from_files(), *await self._named()]
        addresses = {ip: who for who, ip in reversed(needed)}
        await self._learn_macs(addresses)
        found = [*own, *self._with_macs(addresses)]
        macs = [each.mac for each in (*self._exemptions, *found) if each.mac and not each.home]
        await self._learn_homes(set(macs))
        # Written down first: of too many the last are left out.
        return Exempt(self._at_home(each) for each in (*self._exemptions, *found))

    async def _own(self) -> list[Exemption]:
        found = []
        for link in await self._ip("address", "show"):
            mac = link.get("address", "")
            if link.get("link_type") == "ether" and mac:
                found.append(Exemption(who=THIS_BOX, mac=mac, home=THIS_BOX))
            for address in link.get("addr_info", []):
                if "local" in address:
                    found.append(Exemption(who=THIS_BOX, network=address["local"]))
                    whole = ipaddress.ip_interface(f"{address['local']}/{address['prefixlen']}")
                    found.append(Exemption(who=ON_LINK, network=str(whole.network), on_link=True))
        return found

    async def _gateways(self) -> list[tuple[str, str]]:
        routes = [
            *await self._ip("route", "show", "default"),
            *await self._ip("-6", "route", "show", "default"),
        ]
        hops = [hop for route in routes for hop in (route, *route.get("nexthops", []))]
        gateways = [hop.get("gateway") or hop.get("via", {}).get("host") for hop in hops]
        return [("the gateway", gateway) for gateway in gateways if gateway]

    def _from_files(self) -> Iterator[tuple[str, str]]:
        for text in self._texts(*_RESOLVERS):
            yield from (("a DNS server", ip) for ip in _addresses(_NAMESERVER.findall(text)))
        for text in self._texts(*_LEASES):
            yield from (("a DHCP server", ip) for ip in _addresses(_DHCP_SERVER.findall(text)))

    async def _named(self) -> list[tuple[str, str]]:
        """Resolve what is known by name; of a name that fails, what it last meant counts."""
        wanted = {**self._names}
        for texts, pattern in ((_LEASES, _DHCP_TIME), (_TIME_SETTINGS, _TIME_SERVER)):
            for text in self._texts(*texts):
                for line in pattern.findall(text):
                    # Behind a server chrony allows options: its name is the first word.
                    words = line.split() if pattern is _DHCP_TIME else line.split()[:1]
                    wanted.update((word, "a time server") for word in words)
        for name in self._administrators():
            wanted[name] = "where an administrator is logged in from"
        names = [name for name in wanted if _NAME.fullmatch(name)][:MAX_NAMES]
        self._resolved = {name: self._resolved.get(name, []) for name in names}
        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(self._resolve(name), name="resolve")
        return [(wanted[name], ip) for name in names for ip in self._resolved[name]]

    def _administrators(self) -> set[str]:
        # Only who has logged in: merely connecting to the SSH port must exempt nobody.
        sessions = self._texts(_SESSIONS)
        told = {name for text in sessions for name in _REMOTE_HOST.findall(text)}
        return told | {str(user.host) for user in psutil.users() if user.host}

    async def _resolve(self, name: str) -> None:
        if literal := list(_addresses([name])):
            self._resolved[name] = literal
            return
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(RESOLVE_S):
                answers = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError):
            return
        self._resolved[name] = sorted({str(address[0]) for *_, address in answers})

    async def _learn_macs(self, addresses: Iterable[str]) -> None:
        now_ns, wanted = self._monotonic_ns(), set(addresses)
        for neighbour in await self._ip("neighbour", "show"):
            ip, mac = neighbour.get("dst"), neighbour.get("lladdr")
            if ip in wanted and mac:
                self._macs.see(ip, mac, now_ns)

    def _with_macs(self, addresses: Mapping[str, str]) -> Iterator[Exemption]:
        for ip, who in addresses.items():
            yield Exemption(who=who, network=ip)
            mac = self._macs.get(ip)
            if mac is not None:
                yield Exemption(who=who, mac=mac)

    async def _learn_homes(self, macs: set[str]) -> None:
        try:
            ports = await self._learnt()
        except IsolationError:
            return  # no such bridge here, or a switch that is away: then no more is known
        now_ns = self._monotonic_ns()
        for mac in macs & ports.keys():
            self._homes.see(mac, ports[mac], now_ns)

    def _at_home(self, each: Exemption) -> Exemption:
        if each.mac is None or each.home is not None:
            return each
        return Exemption(who=each.who, mac=each.mac, home=self._homes.get(each.mac))

    def _texts(self, *patterns: str) -> Iterator[str]:
        for pattern in patterns:
            for path in sorted(self._root.glob(pattern)):
                try:
                    yield path.read_text(errors="replace")
                except OSError:
                    continue  # not ours to read

    async def _ip(self, *words: str) -> list[dict[str, Any]]:
        printed = await run((*self._prefix, "ip", "-j", *words))
        return [item for item in parsed(printed) if item]  # iproute2 pads its lists with {}


def _addresses(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        try:
            yield str(ipaddress.ip_address(text))
        except ValueError:
            continue
