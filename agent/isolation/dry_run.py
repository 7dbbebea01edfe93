"""An enforcer that cuts off nobody: for observe mode, demos and tests of everything around it."""

import time
from collections.abc import Callable, Sequence

from agent.isolation import Lease
from agent.isolation.bridge_port import learnt_ports


class DryRun:
    """Remembers what would hold, by the leases' own times."""

    name = "dry_run"
    ends_by_itself = True

    def __init__(self, now_ns: Callable[[], int] = time.time_ns, bridge: str = "br0") -> None:
        self._now_ns = now_ns
        self._bridge = bridge
        self._leases: tuple[Lease, ...] = ()

    async def apply(self, desired: Sequence[Lease]) -> None:
        """Remember these leases."""
        self._leases = tuple(desired)

    async def widened(self, lease: Lease) -> Sequence[Lease]:
        """Return the lease alone."""
        return (lease,)

    async def read_back(self) -> tuple[Lease, ...]:
        """Return the leases that have not ended."""
        return tuple(lease for lease in self._leases if lease.expires_ns > self._now_ns())

    async def learnt(self) -> dict[str, str]:
        """Return behind which port the bridge last saw each MAC."""
        return await learnt_ports(self._bridge)

    async def clear(self) -> None:
        """Forget all."""
        self._leases = ()
