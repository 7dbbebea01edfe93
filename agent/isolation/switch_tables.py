"""What a managed switch tells of its ports and of who is behind them."""

from collections import Counter
from typing import Final, Protocol

import msgspec

from agent.isolation.snmp import Oid, Value

_MIB2: Final = (1, 3, 6, 1, 2, 1)
ADMIN_STATUS: Final = (*_MIB2, 2, 2, 1, 7)  # IF-MIB ifAdminStatus
NAME: Final = (*_MIB2, 31, 1, 1, 1, 1)  # ifName
INTERFACE: Final = (*_MIB2, 17, 1, 4, 1, 2)  # BRIDGE-MIB dot1dBasePortIfIndex
SYSTEM: Final = ((*_MIB2, 1, 1, 0), (*_MIB2, 1, 5, 0))  # sysDescr, sysName

# Port and status columns of dot1dTpFdbTable and of Q-BRIDGE-MIB dot1qTpFdbTable, which has one for
# each VLAN. Some switches fill one of them, some both.
_FORWARDING: Final = (
    ((*_MIB2, 17, 4, 3, 1, 2), (*_MIB2, 17, 4, 3, 1, 3)),
    ((*_MIB2, 17, 7, 1, 2, 2, 1, 2), (*_MIB2, 17, 7, 1, 2, 2, 1, 3)),
)
_LEARNT_OR_SET: Final = {
    3,
    5,
}  # of status; what is invalid or the switch's own is not behind a port
_MAC_BYTES: Final = 6


class Walker(Protocol):
    """Who reads columns of a switch."""

    async def walk(self, column: Oid) -> dict[Oid, Value]:
        """Return a column's values by what follows its name."""


class Tables(msgspec.Struct, frozen=True):
    """The ports of a switch, and who was learnt there."""

    interfaces: dict[str, int]  # name of a port -> ifIndex
    hosts: dict[str, frozenset[str]]  # name of a port -> MACs; "": of ports without a name

    def ports_of(self, mac: str) -> list[str]:
        """Return where a MAC was learnt: in several VLANs it may be several ports."""
        return sorted(port for port, macs in self.hosts.items() if mac in macs)


async def read_tables(client: Walker) -> Tables:
    """Ask the switch for all of it.

    Raises:
        IsolationError: It does not answer, or its tables are too big.
    """
    interface_of = {
        base[-1]: _number(value) for base, value in (await client.walk(INTERFACE)).items()
    }
    names = {index[-1]: _text(value) for index, value in (await client.walk(NAME)).items()}
    # A name that two interfaces have names neither.
    twice = {name for name, count in Counter(names.values()).items() if count > 1}
    name_of = {
        base: names[index]
        for base, index in interface_of.items()
        if names.get(index) and names[index] not in twice
    }
    hosts: dict[str, set[str]] = {}
    for port_column, status_column in _FORWARDING:
        for mac, base in await _learnt(client, port_column, status_column):
            hosts.setdefault(name_of.get(base, ""), set()).add(mac)
    interfaces = {name: interface_of[base] for base, name in name_of.items()}
    return Tables(interfaces, {port: frozenset(macs) for port, macs in hosts.items()})


async def _learnt(client: Walker, ports: Oid, status: Oid) -> list[tuple[str, int]]:
    bases, states = await client.walk(ports), await client.walk(status)
    return [
        (_mac(index), _number(base))
        for index, base in bases.items()
        if states.get(index) in _LEARNT_OR_SET and len(index) >= _MAC_BYTES
    ]


def _mac(index: Oid) -> str:
    return ":".join(f"{part & 0xFF:02x}" for part in index[-_MAC_BYTES:])


def _number(value: Value | None) -> int:
    return value if isinstance(value, int) else -1


def _text(value: Value | None) -> str:
    return value.decode("ascii", errors="replace").strip() if isinstance(value, bytes) else ""
