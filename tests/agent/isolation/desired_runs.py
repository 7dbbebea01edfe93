"""An enforcer and clocks that do as a test says, for what should be isolated."""

from collections.abc import Callable, Sequence

import msgspec

from agent.errors import IsolationError
from agent.isolation import Lease
from agent.isolation.dry_run import DryRun
from contract.messages import Isolation
from tests.agent.messages import NOW_NS, isolation

SECOND_NS = 1_000_000_000


class Clock:
    """Clocks that stand still until time passes; the one of the wall can be set."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS
        self.passed_ns = 0
        self.boots = 0

    def __call__(self) -> int:
        return self.now_ns

    def passed(self) -> int:
        return self.passed_ns

    def boot(self) -> str:
        return str(self.boots)

    def reboot(self) -> None:
        """The wall's clock goes on, or is set; the other one begins anew."""
        self.passed_ns = 3 * SECOND_NS
        self.boots += 1

    def wait(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND_NS)
        self.passed_ns += int(seconds * SECOND_NS)


class Stubborn(DryRun):
    """An enforcer that refuses, or forgets what it was told, when asked to."""

    refuses = False
    forgets = False
    is_mute = False
    clings = False
    outlasts = False
    rounds = False  # what is left, down to whole seconds, as nft does
    is_slow: Callable[[], None] | None = None  # time passes while it is asked
    cannot_find = ""

    async def read_back(self) -> tuple[Lease, ...]:
        if self.is_mute:
            message = "no answer in 10 s"
            raise IsolationError(message)
        if self.is_slow is not None:
            self.is_slow()
        held = self._leases if self.outlasts else await super().read_back()
        return tuple(map(self._rounded, held)) if self.rounds else held

    def _rounded(self, lease: Lease) -> Lease:
        left_ns = (lease.expires_ns - self._now_ns()) // SECOND_NS * SECOND_NS
        return msgspec.structs.replace(lease, expires_ns=self._now_ns() + left_ns)

    async def apply(self, desired: Sequence[Lease]) -> None:
        if self.clings:
            return
        if self.refuses:
            message = "the kernel says no"
            raise IsolationError(message)
        found = [lease for lease in desired if lease.mac != self.cannot_find]
        await super().apply([] if self.forgets else found)
        if len(found) < len(desired):
            message = f"not learnt: {self.cannot_find}"
            raise IsolationError(message)


def wanted(number: int = 1, seconds: int = 60) -> Isolation:
    mac = f"02:00:00:00:00:{number:02x}"
    return msgspec.structs.replace(
        isolation(number),
        host=mac,
        isolated_mac=mac,
        state="applied",
        expires_ns=NOW_NS + seconds * SECOND_NS,
    )


async def macs(enforcer: DryRun) -> list[str]:
    return sorted(str(lease.mac) for lease in await enforcer.read_back())
