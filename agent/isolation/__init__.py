"""How a host is cut off: desired state in, what the kernel says out."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be cut off, and until when. What is None does not narrow the cut."""

    isolation_id: str
    mac: str | None = None
    ip: str | None = None
    bridge_port: str | None = None
    expires_ns: int


class Isolator(Protocol):
    """Who makes the kernel (or a switch) agree with what is desired.

    Every method may raise IsolationError. A lease that was applied ends at its time with no program
    running, as far as the enforcer can promise that; `dry_run` and `bridge_port` cannot.
    """

    name: str  # as it stands in Isolation.enforcement

    async def apply(self, desired: Sequence[Lease]) -> None:
        """Make exactly these leases hold, for the time that remains of each."""

    async def read_back(self) -> tuple[Lease, ...]:
        """Return the leases that hold, by the enforcer's own word."""

    async def clear(self) -> None:
        """Let everybody go and leave nothing of ours behind."""
