"""What of the network passes this box, and by which enforcers it could cut somebody off."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from typing import Final

import msgspec

from agent.config import AgentConfig
from agent.errors import IsolationError
from agent.finding import Finding
from agent.isolation.bridge_port import ports_of
from agent.isolation.nft_library import FIX, load_library

_SHOWN: Final = "docs/operations.md: A managed switch"
_BETWEEN: Final = (
    "put this box between router and switch and name the bridge in [isolation] bridge, or take the "
    f"enforcer snmp_switch ({_SHOWN})"
)


class _Lack(msgspec.Struct, frozen=True):
    """What keeps an enforcer from cutting off, and how to mend it."""

    why: str
    fix: str


def sight_findings(config: AgentConfig) -> Iterator[Finding]:
    """Say what the agent sees of the network, and what it does not."""
    bridge, names = config.isolation.bridge, config.capture.interfaces
    ports, _ = _ports(bridge)
    between = [name for name in names if name in ports]
    if between:
        what = f"sees what passes {bridge} by {', '.join(between)}"
        yield Finding(
            "fine", f"{what}; not what hosts behind one of these ports say to each other"
        )
    if alone := [name for name in names if name not in ports]:
        what = f"sees what reaches {', '.join(alone)}: of others only what a switch mirrors there"
        yield Finding("fine", f"{what}, and what is seen there cannot be dropped here")


def enforcer_findings(config: AgentConfig) -> Iterator[Finding]:
    """Say which enforcers can be used here, and what keeps the chosen one from it."""
    lacks = _lacks(config)
    can = [name for name, lack in lacks.items() if lack is None]
    cannot = [f"not by {name}: {lack.why}" for name, lack in lacks.items() if lack is not None]
    told = f"hosts can be cut off here by {', '.join(can) or 'nothing'}"
    yield Finding("fine", "; ".join([told, *cannot]))
    if lack := lacks.get(config.isolation.enforcer):
        what = f"nobody can be cut off by {config.isolation.enforcer}: {lack.why}"
        yield Finding("broken", what, lack.fix)


def _lacks(config: AgentConfig) -> dict[str, _Lack | None]:
    _, why = _ports(config.isolation.bridge)
    at_bridge = _Lack(why, _BETWEEN) if why else None
    has_switch = bool(config.isolation.switch.host)
    return {
        "nft": _without_library() or at_bridge,
        "bridge_port": _without_program() or at_bridge,
        "snmp_switch": None if has_switch else _Lack("no host in [isolation.switch]", _SHOWN),
    }


def _without_library() -> _Lack | None:
    try:
        load_library()
    except IsolationError as error:
        return _Lack(str(error), FIX)
    return None


def _without_program() -> _Lack | None:
    found = shutil.which("bridge", path=os.defpath + ":/usr/sbin:/sbin")
    return None if found else _Lack("no program bridge", "apt install iproute2")


def _ports(bridge: str) -> tuple[list[str], str]:
    """Return the ports of the bridge, and why frames do not pass through it."""
    try:
        ports = list(asyncio.run(ports_of(bridge)))
    except IsolationError as error:
        return [], str(error)
    return ports, "" if ports else f"{bridge} has no ports"
