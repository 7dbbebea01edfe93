"""Isolations as the agent lives with them: carried out, settled, told, remembered."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from agent.errors import IsolationError
from agent.isolation import NOBODY, GuardedIsolator
from agent.isolation.desired import DesiredIsolations
from agent.isolation.drift import Drift
from agent.isolation.lease_file import MAX_ISOLATIONS, LeaseFile
from agent.isolation.safekeeping import keep_memory, kept_memory
from agent.policy import Policy
from contract.commands import Isolate
from contract.messages import AnyMessage, Isolation

log = logging.getLogger(__name__)

SECOND_NS: Final = 1_000_000_000
SETTLE_S: Final = 1.0
LOOK_S: Final = 10.0

Tell = Callable[[Sequence[AnyMessage]], Awaitable[None]]
# Runs something on the thread of the policy, between two windows.
OnEngine = Callable[[Callable[[], None]], Awaitable[None]]


class Keeper:
    """Holds what is desired, who is exempt and what the policy remembers together."""

    def __init__(
        self,
        guard: GuardedIsolator,
        policy: Policy,
        folder: Path,
        tell: Tell,
        on_engine: OnEngine,
    ) -> None:
        """Take over what an earlier start remembered.

        Args:
            guard: Who enforces.
            policy: Who judges.
            folder: Where leases and memory are kept.
            tell: Takes what changed by itself.
            on_engine: Runs something on the policy's thread.
        """
        self._guard = guard
        self._policy = policy
        self._desired = DesiredIsolations(guard, LeaseFile(folder))
        self._drift = Drift(guard.name, lambda: policy.model_id)
        self._path = folder / "allowance.json"
        self._tell = tell
        self._on_engine = on_engine
        self._by_hand: deque[str] = deque(maxlen=MAX_ISOLATIONS)  # ids that a person spoke of
        policy.allowance.memory = kept_memory(self._path)

    async def obey(self, command: Isolate) -> tuple[Isolation, bool]:
        """Cut off as the centre says; return the isolation, and whether it is as it was wanted.

        One that is known is prolonged, and goes on to cut what it cuts: the policy may have widened
        it meanwhile, and a centre that is older than parts does not name them. The policy widens it
        no more: it would end when the policy says.
        """
        now_ns = time.time_ns()
        expires_ns = now_ns + command.duration_s * SECOND_NS
        self._by_hand.append(command.isolation_id)  # before anything is waited for
        known = await self._desired.known(command.isolation_id)
        if known is not None:
            times = {"isolated_ns": now_ns, "expires_ns": expires_ns, "reason": command.reason}
            wanted = msgspec.structs.replace(known, **times)
        else:
            wanted = Isolation(
                isolation_id=command.isolation_id,
                alert_id=None,
                host=command.mac or command.ip or NOBODY,
                isolated_mac=command.mac,
                isolated_ip=command.ip,
                isolated_port=command.bridge_port,
                part=command.part,
                reason=command.reason,
                enforcement=self._guard.name,
                state="applied",
                isolated_ns=now_ns,
                expires_ns=expires_ns,
            )
        done = await self._isolate(wanted)
        as_wanted = done.state == "verified" and done.expires_ns == expires_ns
        if as_wanted:
            await self._on_engine(partial(self._policy.left_to_a_person, done))
        else:
            self._by_hand.remove(command.isolation_id)
        return done, as_wanted

    async def carry_out(self, isolation: Isolation) -> list[Isolation]:
        """Cut off as the policy decided, unless a person has spoken meanwhile; return what came of it.

        What a person lifted while it was on its way stays lifted, what was prolonged stays as it is.
        """
        if not self._policy.allowance.stands(isolation.isolation_id):
            return []
        if isolation.isolation_id in self._by_hand:
            known = await self._desired.known(isolation.isolation_id)
            if known is not None:
                await self._on_engine(partial(self._policy.left_to_a_person, known))
                return []
        return [await self._isolate(isolation)]

    async def _isolate(self, isolation: Isolation) -> Isolation:
        """Cut off; return the isolation as `verified`, or `failed` with the reason."""
        done = await self._desired.isolate(isolation)
        # One that could not be widened goes on to hold what it held.
        if done.state == "failed" or done.part != isolation.part:
            await self._on_engine(partial(self._policy.failed, done))
        await self._remember()
        return done

    async def lift(self, isolation_id: str, reason: str) -> list[Isolation]:
        """Let go before the time; return the isolation as lifted, nothing if it is unknown."""
        lifted = await self._desired.release(isolation_id, reason)
        await self._take_note(lifted)
        return lifted

    async def settle(self) -> None:
        """Tell, for ever, what became of isolations by itself, and put back what the kernel lost."""
        try:
            while True:
                changed = await self._desired.settle()
                alerts = self._drift.note(self._desired.slipped, time.time_ns())
                await self._take_note(changed)
                if changed or alerts:
                    await self._tell([*changed, *alerts])
                await asyncio.sleep(SETTLE_S)
        finally:
            if ended := self._drift.end():
                await self._tell(ended)

    async def look_around(self) -> None:
        """Keep fresh, for ever, what policy and enforcer know of the exempt."""
        is_blind = False
        while True:
            try:
                self._policy.allowance.exempt = await self._guard.refresh()
                is_blind = False
            except IsolationError as error:
                if not is_blind:
                    log.warning("exempt_not_refreshed", extra={"why": str(error)})
                is_blind = True
            await asyncio.sleep(LOOK_S)

    async def _take_note(self, changed: Sequence[Isolation]) -> None:
        """Let the policy know whom a person let go."""
        lifted = [each.isolation_id for each in changed if each.state == "lifted"]
        if not lifted:
            return

        def note() -> None:
            for isolation_id in lifted:
                self._policy.allowance.lifted(isolation_id, time.time_ns())

        await self._on_engine(note)
        await self._remember()

    async def _remember(self) -> None:
        try:
            await asyncio.to_thread(keep_memory, self._path, self._policy.allowance.memory)
        except IsolationError as error:
            log.warning("allowance_not_saved", extra={"why": str(error)})
