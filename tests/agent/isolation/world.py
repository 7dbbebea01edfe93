"""A network with an agent that may crash at any time, for sequences that nobody thought of."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from agent.config import PolicyConfig
from agent.effects import Isolate
from agent.errors import IsolationError
from agent.exempt import Exempt, Exemption
from agent.isolation import Isolator, Lease, Target, target_of
from agent.isolation.desired import DesiredIsolations
from agent.isolation.guard import Guard
from agent.isolation.lease_file import LeaseFile
from agent.isolation.nft import MILLISECOND_NS, TICKS_MS
from agent.isolation.on_this_box import released
from agent.isolation.safekeeping import keep_memory, kept_memory
from agent.open_alert import Explanation
from agent.policy import Policy
from contract.attacks import AttackType
from contract.cuts import Part
from contract.messages import Isolation
from tests.agent.isolation.lab import Lab
from tests.agent.messages import NOW_NS
from tests.agent.policy_runs import verdict

SECOND_NS = 1_000_000_000
HOSTS = [f"02:00:00:00:00:{number:02x}" for number in range(1, 6)]
GATEWAY = HOSTS[0]
TICKS_NS = TICKS_MS * MILLISECOND_NS
HOME, ELSEWHERE = "lan1", "lan2"


class Kernel:
    """The sets of nft as they were measured: they end by a clock that nobody sets."""

    def __init__(self) -> None:
        self.passed_ns = 0
        self.elements: dict[Target, tuple[str, int]] = {}  # -> isolation id, until by passed_ns
        self.refuses = False

    def held(self) -> dict[Target, tuple[str, int]]:
        return {key: it for key, it in self.elements.items() if it[1] > self.passed_ns}


class ModelIsolator:
    """What a program sees of that kernel; each start has its own."""

    name = "model"
    ends_by_itself = True

    def __init__(self, kernel: Kernel, world: "World") -> None:
        self._kernel = kernel
        self._world = world
        self._desired: tuple[Lease, ...] = ()

    async def apply(self, desired: Sequence[Lease]) -> None:
        if self._kernel.refuses:
            message = "the kernel says no"
            raise IsolationError(message)
        elements: dict[Target, tuple[str, int]] = {}
        for lease in desired:
            left_ns = lease.expires_ns - self._world.now_ns()
            until_ns = self._kernel.passed_ns + left_ns + TICKS_NS
            if left_ns > 0 and elements.get(target_of(lease), ("", -1))[1] < until_ns:
                elements[target_of(lease)] = (lease.isolation_id, until_ns)
        self._kernel.elements = elements
        self._desired = tuple(desired)

    async def widened(self, lease: Lease) -> Sequence[Lease]:
        return (lease,)

    async def read_back(self) -> tuple[Lease, ...]:
        held = self._kernel.held()
        known = {target_of(lease): lease for lease in self._desired if target_of(lease) in held}
        found = [self._lease(key, *it) for key, it in held.items() if key not in known]
        return (*(lease for lease in self._desired if target_of(lease) in held), *found)

    async def learnt(self) -> dict[str, str]:
        return {}

    async def clear(self) -> None:
        self._kernel.elements = {}
        self._desired = ()

    def _lease(self, key: Target, isolation_id: str, until_ns: int) -> Lease:
        left_s = (until_ns - self._kernel.passed_ns) // SECOND_NS
        mac, ip, bridge_port, part = key
        expires_ns = self._world.now_ns() + left_s * SECOND_NS
        return Lease(
            isolation_id=isolation_id,
            mac=mac,
            ip=ip,
            bridge_port=bridge_port,
            part=part,
            expires_ns=expires_ns,
        )


class World:
    """Clocks, a kernel, a disk, the exempt, and the agent of the moment."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        shared_memory = Path("/dev/shm")
        self.disk = tempfile.TemporaryDirectory(
            dir=shared_memory if shared_memory.is_dir() else None
        )
        self.folder = Path(self.disk.name)
        self.kernel = Kernel()
        self.true_ns = 0  # what no clock shows
        self.step_ns = 0  # how far the wall's clock is off
        self.exempt = {GATEWAY: "the gateway"}
        self.until: dict[str, int] = {}  # isolation id -> its latest end, by true_ns
        self.given: dict[str, tuple[int, int]] = {}  # isolation id -> seconds given, step then
        self.commands = 0
        self.boots = 0
        self.start()

    def close(self) -> None:
        self.loop.close()
        self.disk.cleanup()

    def now_ns(self) -> int:
        return NOW_NS + self.true_ns + self.step_ns

    def passed_ns(self) -> int:
        return self.kernel.passed_ns

    def boot(self) -> str:
        return str(self.boots)

    def isolator(self) -> Isolator:
        return ModelIsolator(self.kernel, self)

    async def look(self) -> Exempt:
        return Exempt(
            Exemption(who=who, mac=mac, home=HOME if mac == GATEWAY else None)
            for mac, who in self.exempt.items()
        )

    # --- what happens

    def start(self) -> None:
        """Start the agent; whatever the one before had in memory is gone."""
        self.guard = Guard(self.isolator(), self.look)
        self.desired = DesiredIsolations(
            self.guard, LeaseFile(self.folder), self.now_ns, self.passed_ns, self.boot
        )
        config = PolicyConfig(mode="enforce", max_isolations_per_hour=8, max_isolated_share=0.6)
        self.policy = Policy(config, "pi-1", "model-1")
        self.policy.allowance.hosts_known = len(HOSTS)
        self.policy.allowance.memory = kept_memory(self.folder / "allowance.json")

    def reboot(self) -> None:
        self.flush()
        self.kernel.passed_ns = 3 * SECOND_NS
        self.boots += 1
        for key, (seconds, step_ns) in self.given.items():
            if step_ns != self.step_ns:  # nobody knows any more how much is left
                self.until[key] = self.true_ns + seconds * SECOND_NS
        self.start()
        self.settle()

    def flush(self) -> None:
        """Somebody flushes the ruleset."""
        self.kernel.elements = {}

    def attack(
        self, host: str, attack: AttackType, port: str, aimed_at: Part | None = None
    ) -> None:
        """Let the model call a host malicious twice."""
        self.run(self.guard.refresh())
        self.policy.allowance.exempt = self.run(self.look())
        second = (self.now_ns() - verdict(0).window_start_ns) // SECOND_NS
        effects = []
        for at in (second - 2, second - 1):  # the last of these windows ends now
            shared = port == ELSEWHERE
            where = {"bridge_port": port, "shared_mac": shared, "aimed_at": aimed_at}
            found = verdict(at, attack, host, src_ip=None, **where)
            effects += self.policy.advance(found.window_start_ns)
            effects += self.policy.strike(found, attack, lambda: Explanation([], []))
            effects += self.policy.explain()
        for effect in effects:
            if isinstance(effect, Isolate):
                self._isolate(effect.isolation)
        keep_memory(self.folder / "allowance.json", self.policy.allowance.memory)

    def command(self, host: str, seconds: int, part: Part | None = None) -> None:
        """A person isolates a host or a part of it, exempt or not."""
        self.commands += 1
        now_ns = self.now_ns()
        self._isolate(
            Isolation(
                isolation_id=f"{self.commands:032x}",
                alert_id=None,
                host=host,
                isolated_mac=host,
                isolated_port=None,
                part=part,
                reason="by hand",
                enforcement="model",
                state="applied",
                isolated_ns=now_ns,
                expires_ns=now_ns + seconds * SECOND_NS,
            )
        )

    def _isolate(self, isolation: Isolation) -> None:
        seconds = (isolation.expires_ns - isolation.isolated_ns) // SECOND_NS
        done = self.run(self.desired.isolate(isolation))
        if done.state == "failed" or done.part != isolation.part:
            self.policy.failed(done)
        if done.state == "verified" and done.expires_ns == isolation.expires_ns:
            self.until[done.isolation_id] = self.true_ns + seconds * SECOND_NS
            self.given[done.isolation_id] = (seconds, self.step_ns)

    def lift(self, isolation_id: str) -> None:
        now_ns = self.now_ns()
        for lifted in self.run(self.desired.release(isolation_id, "false alarm")):
            self.policy.allowance.lifted(lifted.isolation_id, now_ns)

    def release_on_the_box(self, host: str | None) -> None:
        self.run(released(LeaseFile(self.folder), self.isolator(), host))

    def wait(self, seconds: int) -> None:
        self.true_ns += seconds * SECOND_NS
        self.kernel.passed_ns += seconds * SECOND_NS

    def settle(self) -> list[Isolation]:
        changed: list[Isolation] = self.run(self.desired.settle())
        return changed

    def run(self, work):
        return self.loop.run_until_complete(work)

    # --- what is to be seen

    def cut_off(self) -> dict[Target, str]:
        """Return the isolation id of all that is cut off."""
        return {key: isolation_id for key, (isolation_id, _) in self.kernel.held().items()}

    def ends(self) -> dict[str, int]:
        """Return when, by true_ns, the kernel alone would let go."""
        ahead_ns = self.true_ns - self.kernel.passed_ns
        return {isolation_id: ns + ahead_ns for isolation_id, ns in self.kernel.held().values()}

    def wanted(self) -> set[Target]:
        isolations = [each.isolation for each in LeaseFile(self.folder).read().values()]
        return {(i.isolated_mac, i.isolated_ip, i.isolated_port, i.part) for i in isolations}


class NftWorld(World):
    """The same with the real kernel, whose time does not pass as fast."""

    def __init__(self, built: Lab) -> None:
        self._built = built
        super().__init__()

    def close(self) -> None:
        self.flush()
        super().close()

    def isolator(self) -> Isolator:
        return self._built.isolator(self.now_ns)

    def flush(self) -> None:
        self._built.nftables.run([{"flush": {"ruleset": None}}])

    def wait(self, seconds: int) -> None:
        super().wait(seconds)
        self.settle()  # its leases have not ended by themselves

    def cut_off(self) -> dict[Target, str]:
        held = self.run(self.isolator().read_back())
        return {target_of(lease): lease.isolation_id for lease in held}

    def ends(self) -> dict[str, int]:
        return {}
