"""What a person on the box can do without the centre: see who is cut off, and let go."""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from agent.config import AgentConfig, IsolationConfig
from agent.errors import IsolationError
from agent.isolation import Enforcing, Isolator, Lease, as_lease
from agent.isolation.bridge_port import BridgePortIsolator
from agent.isolation.dry_run import DryRun
from agent.isolation.lease_file import LeaseFile
from agent.isolation.nft import NftIsolator
from agent.isolation.snmp_switch import SnmpSwitchIsolator
from runtime.capabilities import CAP_NET_ADMIN, permitted

MOST_NAMED: Final = 20  # in one line


def chosen_isolator(config: IsolationConfig, folder: Path) -> Isolator:
    """Return the enforcer that the settings name.

    Args:
        config: Which one.
        folder: Where it keeps what must outlive it.

    Raises:
        ConfigError: The credentials of the switch cannot be used.
    """
    match config.enforcer:
        case "nft":
            return NftIsolator(config.bridge)
        case "bridge_port":
            return BridgePortIsolator(config.bridge)
        case "snmp_switch":
            return SnmpSwitchIsolator(config.switch, folder)
        case "dry_run":
            return DryRun(bridge=config.bridge)


def show_isolations(config: AgentConfig) -> int:
    """Print who is cut off now, by the enforcer's own word, one JSON object a line."""
    _require_right(config.isolation, "nft")
    isolator = chosen_isolator(config.isolation, config.spool.path.parent)
    for lease in asyncio.run(isolator.read_back()):
        sys.stdout.write(msgspec.json.encode(lease).decode() + "\n")
    return 0


def release(config: AgentConfig, target: str | None, *, everything: bool) -> int:
    """End isolations; an agent that runs meanwhile tells the centre. Return the exit code.

    Args:
        config: Which enforcer, and where the leases are kept.
        target: A MAC, IP or bridge port that `isolations` shows.
        everything: Let everybody go and remove what is ours.
    """
    _require_right(config.isolation, "nft", "bridge_port")
    file = LeaseFile(config.spool.path.parent)
    isolator = chosen_isolator(config.isolation, config.spool.path.parent)
    return asyncio.run(released(file, isolator, None if everything else target))


def _require_right(config: IsolationConfig, *enforcers: str) -> None:
    # Asked beforehand: libnftables itself writes to stderr what it may not do.
    if config.enforcer in enforcers and CAP_NET_ADMIN not in permitted():
        message = f"the enforcer {config.enforcer} takes the right CAP_NET_ADMIN: use sudo"
        raise IsolationError(message)


async def released(file: LeaseFile, isolator: Enforcing, target: str | None) -> int:
    """Let a target go, or everybody, and say whom; return the exit code.

    Args:
        file: Where the leases are kept.
        isolator: Who holds them.
        target: A MAC, IP or bridge port; None: everybody.
    """
    # Out of the file first, or else the agent would take what is gone for lost and put it back.
    gone, why = _forget(file, target)
    if target is None:
        # Who is held is only asked to be told: everybody is let go, whatever the answer.
        with suppress(IsolationError):
            gone |= {_name(lease) for lease in await isolator.read_back()}
        await isolator.clear()
    else:
        held = await isolator.read_back()
        kept = [lease for lease in held if not _is_meant(lease, target)]
        if len(kept) < len(held):
            await isolator.apply(kept)
            gone.add(target)
        elif not gone:
            why = why or f"{target} is not isolated"
    if gone or target is None:
        sys.stderr.write(f"edgewarden-agent: {_told(gone)}\n")
    if why:
        sys.stderr.write(f"edgewarden-agent: {why}\n")
    return int(bool(why))


def _told(gone: set[str]) -> str:
    if not gone:
        return "nobody was isolated"
    more = f" and {len(gone) - MOST_NAMED} more" if len(gone) > MOST_NAMED else ""
    return f"let go: {', '.join(sorted(gone)[:MOST_NAMED])}{more}"


def _name(lease: Lease) -> str:
    return lease.mac or lease.ip or lease.bridge_port or lease.isolation_id


def _forget(file: LeaseFile, target: str | None) -> tuple[set[str], str]:
    """Take leases out of the file; return whose they were, and why it failed."""
    try:
        gone = file.take_out(
            lambda each: (
                target is None
                or target == each.host
                or _is_meant(as_lease(each, each.expires_ns), target)
            )
        )
    except IsolationError as error:
        return set(), f"{error}; an agent that runs will isolate again: stop it first"
    return {each.host for each in gone}, ""


def _is_meant(lease: Lease, target: str) -> bool:
    return target in {lease.mac, lease.ip, lease.bridge_port}
