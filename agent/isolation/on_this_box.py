"""What a person on the box can do without the centre: see who is cut off, and let go."""

import asyncio
import sys
from pathlib import Path

import msgspec

from agent.config import AgentConfig, IsolationConfig
from agent.errors import IsolationError
from agent.isolation import Enforcing, Isolator, Lease, as_lease
from agent.isolation.bridge_port import BridgePortIsolator
from agent.isolation.dry_run import DryRun
from agent.isolation.lease_file import LeaseFile
from agent.isolation.nft import NftIsolator
from agent.isolation.snmp_switch import SnmpSwitchIsolator


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
    file = LeaseFile(config.spool.path.parent)
    isolator = chosen_isolator(config.isolation, config.spool.path.parent)
    return asyncio.run(released(file, isolator, None if everything else target))


async def released(file: LeaseFile, isolator: Enforcing, target: str | None) -> int:
    """Let a target go, or everybody; return the exit code.

    Args:
        file: Where the leases are kept.
        isolator: Who holds them.
        target: A MAC, IP or bridge port; None: everybody.
    """
    # Out of the file first, or else the agent would take what is gone for lost and put it back.
    forgotten, why = _forget(file, target)
    if target is None:
        await isolator.clear()
    else:
        held = await isolator.read_back()
        kept = [lease for lease in held if not _is_meant(lease, target)]
        if len(kept) < len(held):
            await isolator.apply(kept)
        elif not forgotten:
            why = f"{target} is not isolated"
    if why:
        sys.stderr.write(f"edgewarden-agent: {why}\n")
    return int(bool(why))


def _forget(file: LeaseFile, target: str | None) -> tuple[bool, str]:
    """Take leases out of the file; return whether there were any, and why it failed."""
    try:
        gone = file.take_out(
            lambda each: (
                target is None
                or target == each.host
                or _is_meant(as_lease(each, each.expires_ns), target)
            )
        )
    except IsolationError as error:
        return False, f"{error}; an agent that runs will isolate again: stop it first"
    return bool(gone), ""


def _is_meant(lease: Lease, target: str) -> bool:
    return target in {lease.mac, lease.ip, lease.bridge_port}
