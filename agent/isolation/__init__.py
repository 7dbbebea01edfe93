"""How a host is cut off: desired state in, what the kernel says out."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from agent.exempt import Exempt
from contract.cuts import Part
from contract.identifiers import BridgePort, IpAddress, IsolationId, LongText, MacAddress, TimeNs
from contract.messages import Isolation

NOBODY: Final = "00:00:00:00:00:00"  # the host of an isolation that names a bridge port alone
BEFORE: Final = "isolated before the agent was started again"


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be cut off, and until when. What is None does not narrow the cut."""

    isolation_id: IsolationId
    mac: MacAddress | None = None
    ip: IpAddress | None = None
    bridge_port: BridgePort | None = None
    part: Part | None = None
    expires_ns: TimeNs
    at: LongText = ""  # for people: where it holds, when that says more than what is cut


def as_lease(isolation: Isolation, expires_ns: int) -> Lease:
    """Return what has to hold for an isolation until then."""
    return Lease(
        isolation_id=isolation.isolation_id,
        mac=isolation.isolated_mac,
        ip=isolation.isolated_ip,
        bridge_port=isolation.isolated_port,
        part=isolation.part,
        expires_ns=expires_ns,
    )


def as_isolation(lease: Lease, enforcement: str, now_ns: int) -> Isolation:
    """Return what can be said of an isolation that nothing but the enforcer knows of."""
    return Isolation(
        isolation_id=lease.isolation_id,
        alert_id=None,
        host=lease.mac or lease.ip or NOBODY,
        isolated_mac=lease.mac,
        isolated_ip=lease.ip,
        isolated_port=lease.bridge_port,
        part=lease.part,
        reason=BEFORE,
        enforcement=enforcement,
        state="verified",
        isolated_ns=now_ns,
        expires_ns=max(lease.expires_ns, now_ns),
    )


Target = tuple[str | None, str | None, str | None, Part | None]


def target_of(lease: Lease) -> Target:
    """Return what a lease cuts off, whoever asked for it and until when."""
    return (lease.mac, lease.ip, lease.bridge_port, lease.part)


class Enforcing(Protocol):
    """Who makes what is desired so. Every method may raise IsolationError."""

    name: str  # as it stands in Isolation.enforcement

    async def apply(self, desired: Sequence[Lease]) -> None:
        """Make exactly these leases hold, for the time that remains of each."""

    async def read_back(self) -> tuple[Lease, ...]:
        """Return the leases that hold, by the enforcer's own word."""

    async def clear(self) -> None:
        """Let everybody go and leave nothing of ours behind."""


class Isolator(Enforcing, Protocol):
    """Who makes the kernel (or a switch) agree with what is desired."""

    # Whether a lease that was applied ends at its time with no program running. Of an enforcer that
    # cannot promise it, everybody is let go when the agent ends.
    ends_by_itself: bool

    async def widened(self, lease: Lease) -> Sequence[Lease]:
        """Return all that a lease would really cut off, where the enforcer cannot be as fine."""

    async def learnt(self) -> Mapping[str, str]:
        """Return behind which of its ports each MAC was last seen."""


class GuardedIsolator(Enforcing, Protocol):
    """An isolator that refuses to cut the exempt: `apply` raises ExemptError, the rest holds."""

    async def refresh(self) -> Exempt:
        """Look again at who is exempt, let go who became so, and return the exempt."""
