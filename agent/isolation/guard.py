"""Between what is wished and what enforces it: no cut hits an exempt host, whoever asks for it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from agent.errors import IsolationError
from agent.exempt import Exempt
from agent.isolation import Isolator, Lease

_ANYBODY: Final = Exempt()


class ExemptError(IsolationError):
    """Leases that would hit somebody exempt; all others hold."""

    def __init__(self, refused: dict[str, str]) -> None:
        super().__init__("; ".join(f"refused: it is {who}" for who in sorted({*refused.values()})))
        self.refused = refused  # isolation id -> who would be hit


class Guard:
    """An isolator that refuses what would hit the exempt, by its own look at them."""

    def __init__(self, isolator: Isolator, look: Callable[[], Awaitable[Exempt]]) -> None:
        """Guard.

        Args:
            isolator: Who enforces.
            look: Returns who is exempt now; may raise IsolationError.
        """
        self.name = isolator.name
        self.ends_by_itself = isolator.ends_by_itself
        self._isolator = isolator
        self._look = look
        self._exempt: Exempt | None = None
        self._applied: list[Lease] = []
        self._turn = asyncio.Lock()

    async def refresh(self) -> Exempt:
        """Look again at who is exempt, and let go who became so; return the exempt.

        Raises:
            IsolationError: It cannot be told: what was last known goes on to hold.
        """
        self._exempt = await self._look()
        async with self._turn:
            refused, _ = await self._hits(self._exempt, self._applied)
            self._applied = [each for each in self._applied if each.isolation_id not in refused]
            if refused:
                await self._isolator.apply(self._applied)
        return self._exempt

    async def latest(self) -> Exempt:
        """Return who was exempt at the last look."""
        return self._exempt or await self.refresh()

    async def apply(self, desired: Sequence[Lease]) -> None:
        """Make the leases hold that hit nobody exempt.

        Raises:
            ExemptError: The others were left out.
            IsolationError: It is not known who is exempt, so nothing was done; or of some it is not
                known whom they would hit, so they were left out; or the kernel refused.
        """
        exempt = await self.latest()
        async with self._turn:
            refused, unknown = await self._hits(exempt, desired)
            left_out = refused.keys() | unknown.keys()
            self._applied = [each for each in desired if each.isolation_id not in left_out]
            await self._isolator.apply(self._applied)
        if refused:
            raise ExemptError(refused)
        for error in unknown.values():
            raise error

    async def read_back(self) -> tuple[Lease, ...]:
        """Return the leases that hold."""
        return await self._isolator.read_back()

    async def clear(self) -> None:
        """Let everybody go."""
        self._applied = []
        await self._isolator.clear()

    async def _hits(
        self, exempt: Exempt, desired: Sequence[Lease]
    ) -> tuple[dict[str, str], dict[str, IsolationError]]:
        """Return, by isolation id, who would be hit, and where that cannot be told."""
        refused, unknown = {}, {}
        for each in desired:
            try:
                who = await self._hit(exempt, each)
            except IsolationError as error:
                unknown[each.isolation_id] = error
                continue
            if who is not None:
                refused[each.isolation_id] = who
        return refused, unknown

    async def _hit(self, exempt: Exempt, lease: Lease) -> str | None:
        try:
            named = exempt.why(lease.mac, lease.ip, lease.bridge_port)
            if named is None and lease.part is not None:
                # Of the peer only that it is one: it loses the host, and nobody else.
                named = _ANYBODY.why(lease.part.peer_mac, lease.part.peer_ip)
            if named is not None:
                return named
            for wide in await self._isolator.widened(lease):
                hit = exempt.why(wide.mac, wide.ip, wide.bridge_port)
                if hit is not None:
                    return hit
        except ValueError as error:  # no address at all
            raise IsolationError(str(error)) from error
        return None
