"""Who should be cut off until when, and what the enforcer says of it; the only way to isolate."""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from agent.errors import IsolationError
from agent.isolation import Enforcing, Lease, Target, as_isolation, as_lease, target_of
from agent.isolation.guard import ExemptError
from agent.isolation.lease_file import MAX_ISOLATIONS, Desired, LeaseFile
from contract.commands import MAX_ISOLATION_S
from contract.messages import Isolation

log = logging.getLogger(__name__)

BY_HAND: Final = "released on this box"
PUT_BACK: Final = "was gone from the enforcer, and was put back"
MARK_NS: Final = 60_000_000_000
SECOND_NS: Final = 1_000_000_000  # enforcers tell how long they hold something in whole seconds

Clock = Callable[[], int]


BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def boot_ns() -> int:
    """Return the time since the machine booted, sleep included: no clock step touches it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Return what tells this boot from all others."""
    return BOOT_ID.read_text().strip()


class DesiredIsolations:
    """Keeps the desired isolations and brings the enforcer to agree; reports what it read back.

    What is desired is on disk too. After a restart or a reboot only what remains of an isolation is
    armed again, and never more than it was given; a clock that is set prolongs none.
    """

    def __init__(
        self,
        isolator: Enforcing,
        file: LeaseFile,
        now_ns: Clock = time.time_ns,
        passed_ns: Clock = boot_ns,
        boot: Callable[[], str] = boot_id,
    ) -> None:
        """Prepare.

        Args:
            isolator: Who enforces.
            file: Where the isolations are kept.
            now_ns: The clock by which isolations are told; may be set.
            passed_ns: The clock by which they end; only goes forward, and begins anew with a boot.
            boot: Returns what tells this boot from others.
        """
        self._isolator = isolator
        self._file = file
        self._now_ns = now_ns
        self._passed_ns = passed_ns
        self._boot = boot()
        # What `settle` found to hold no more, before it put it back; None: it could not be told.
        self.slipped: list[Isolation] | None = None
        self._desired: dict[str, Desired] = {}
        self._on_disk: set[str] = set()
        self._begun = False
        self._taken_over: set[str] = set()  # from an earlier start, and not told yet
        self._is_behind = False  # the enforcer was not told yet of what changed
        self._untold: list[Isolation] = []  # ended while something else was done
        self._over: dict[str, Isolation] = {}  # ended by their time, and not told yet
        self._stuck: set[str] = set()  # of these, what is told to hold on
        self._lost: set[str] = set()  # what the enforcer lost, and is told to be lost
        self._trouble = ""  # why desired and held cannot be brought together
        self._turn = asyncio.Lock()

    async def known(self, isolation_id: str) -> Isolation | None:
        """Return an isolation that should hold, by its id, when what is under way is done."""
        async with self._turn:
            found = self._desired.get(isolation_id)
            return None if found is None else found.isolation

    async def isolate(self, isolation: Isolation) -> Isolation:
        """Cut off; return the isolation as `verified` by the enforcer, or `failed` with the reason.

        One that is there already is prolonged; where that fails it is returned as it still holds.
        """
        isolation = msgspec.structs.replace(isolation, enforcement=self._isolator.name)
        async with self._turn:
            try:
                await self._begin()
                why = await self._isolate(isolation)
            except IsolationError as error:
                why = str(error)
            await self._save()
            still = self._desired.get(isolation.isolation_id)
        if not why:
            told = isolation if still is None else still.isolation
            return msgspec.structs.replace(told, state="verified")
        failed = self._failed(isolation, why)
        if still is None:
            return failed
        detail = f"not prolonged: {why}"
        return msgspec.structs.replace(still.isolation, state="verified", detail=detail)

    async def _isolate(self, isolation: Isolation) -> str:
        """Return why it failed, nothing if it did not."""
        if len(self._desired) >= MAX_ISOLATIONS:
            return "too many isolations at once"
        key = isolation.isolation_id
        self._over.pop(key, None)
        before = self._desired.get(key)
        self._desired[key] = self._timed(isolation)
        why = await self._why_not_held(isolation, is_new=before is None)
        if why:
            self._put_back(key, before)
        return why

    async def _why_not_held(self, isolation: Isolation, *, is_new: bool) -> str:
        """Tell the enforcer what is desired; return why one does not hold, nothing if it does."""
        failed = ""
        try:
            refused = await self._apply()
            if isolation.isolation_id in refused:
                return refused[isolation.isolation_id]
        except IsolationError as error:
            failed = str(error)  # perhaps of another one
        try:
            held = await self._isolator.read_back()
        except IsolationError as error:
            return failed or str(error)
        own = [lease for lease in held if lease.isolation_id == isolation.isolation_id]
        if failed and not (is_new and own):
            return failed
        if not failed and _target(isolation) not in map(target_of, held):
            return "not there when it was read back"
        if own and own[0].at:
            self._note_place(isolation, own[0].at)
        return ""

    def _note_place(self, isolation: Isolation, place: str) -> None:
        known = self._desired[isolation.isolation_id]
        placed = msgspec.structs.replace(known.isolation, detail=f"at {place}")
        self._desired[isolation.isolation_id] = msgspec.structs.replace(known, isolation=placed)

    async def release(self, isolation_id: str, reason: str) -> list[Isolation]:
        """Let go before the time; return the isolation as lifted, nothing if it is unknown.

        One that the enforcer still holds when it is read back stays `verified`, with the reason.
        """
        async with self._turn:
            try:
                await self._begin()
            except IsolationError as error:
                log.warning("adoption_failed", extra={"why": str(error)})
            found = self._desired.pop(isolation_id, None)
            if found is None:
                return []
            # On disk first: what was lifted must not be armed again if we die now.
            await self._save()
            why = await self._why_still_held(isolation_id)
            if not why:
                return [self._lifted(found.isolation, reason)]
            self._desired[isolation_id] = found
            await self._save()
            log.error("lift_failed", extra={"host": found.isolation.host, "why": why})
            detail = f"could not be lifted: {why}"
            return [msgspec.structs.replace(found.isolation, state="verified", detail=detail)]

    async def _why_still_held(self, isolation_id: str) -> str:
        """Tell the enforcer what is desired; return why it holds one all the same, nothing if not."""
        try:
            await self._apply()
            held = await self._isolator.read_back()
        except IsolationError as error:
            return str(error)
        is_there = any(lease.isolation_id == isolation_id for lease in held)
        return "still there when it was read back" if is_there else ""

    async def settle(self) -> list[Isolation]:
        """Return what changed by itself since the last call, and put back what was lost.

        These are isolations that ended by their time (`expired`, or `verified` while the enforcer
        cannot end them), that a person on the box or an exemption ended (`lifted`), and that the
        enforcer had lost (`verified` again, or `failed`).
        """
        async with self._turn:
            why, self.slipped = "", None
            try:
                await self._begin()
                self._mark()
                await self._save()
                self._end_by_time()
                await self._reconcile()
            except IsolationError as error:
                why = str(error)
            if why != self._trouble:  # told when it begins, not every second
                self._trouble = why
                log.warning("reconcile_failed" if why else "reconciled", extra={"why": why})
            self._untold += await self._over_by_now(why)
            untold, self._untold = self._untold, []
            return untold

    def _mark(self) -> None:
        """Note now and then how far time has come, for a start after a reboot."""
        passed_ns, replace = self._passed_ns(), msgspec.structs.replace
        for key, each in self._desired.items():
            if passed_ns - each.marked_ns >= MARK_NS:
                self._desired[key] = replace(each, marked_ns=passed_ns)

    def _end_by_time(self) -> None:
        passed_ns = self._passed_ns()
        ended = [key for key, each in self._desired.items() if each.until_ns <= passed_ns]
        self._over |= {key: self._desired.pop(key).isolation for key in ended}
        self._is_behind |= bool(ended)

    async def _reconcile(self) -> None:
        slipped = self.slipped = await self._slipped()
        failed = None
        if self._is_behind or slipped:
            try:
                await self._apply()
            except IsolationError as error:
                failed = error  # perhaps of some only
            await self._save()
        self._untold += await self._put_back_or_failed(slipped)
        # Whoever died before it had told the centre is followed by one who does.
        taken, self._taken_over = self._taken_over & self._desired.keys(), set()
        found = [self._desired[key].isolation for key in taken]
        held = [each for each in found if each not in slipped]
        self._untold += [msgspec.structs.replace(each, state="verified") for each in held]
        # Who was let go because it is exempt by now is none that should have held.
        self.slipped = [each for each in slipped if each.isolation_id in self._desired]
        if failed is not None:
            raise failed

    async def _over_by_now(self, why: str) -> list[Isolation]:
        """Return what ended by its time, once the enforcer holds it no more; until then, that it does."""
        if not self._over:
            return []
        try:
            held = {lease.isolation_id for lease in await self._isolator.read_back()}
        except IsolationError as error:
            held, why = set(self._over), why or str(error)
        done = [self._over.pop(key) for key in self._over.keys() - held]
        stuck = [each for key, each in self._over.items() if key not in self._stuck]
        self._stuck = set(self._over)
        detail = f"its time is over, and it could not be ended: {why}"
        for each in stuck:
            log.error("end_failed", extra={"host": each.host, "why": why})
        return [
            *(msgspec.structs.replace(each, state="expired") for each in done),
            *(msgspec.structs.replace(each, state="verified", detail=detail) for each in stuck),
        ]

    async def _begin(self) -> None:
        """Take over, once, what an earlier start left on disk and in the enforcer."""
        if self._begun:
            return
        held = await self._isolator.read_back()
        kept = await asyncio.to_thread(self._file.read)
        self._on_disk = set(kept)
        for key, each in kept.items():
            # Of another boot only the wall's clock can tell how much is left; it was less than at
            # the last mark, should that clock be wrong.
            timed = self._timed(each.isolation, each.until_ns - each.marked_ns)
            self._desired.setdefault(key, each if each.boot == self._boot else timed)
        for lease in held:
            self._adopt(lease)
        self._begun = True
        if self._desired:
            await self._apply()
        self._taken_over = set(self._desired)

    def _adopt(self, lease: Lease) -> None:
        until_ns = self._passed_ns() + lease.expires_ns - self._now_ns()
        known = self._desired.get(lease.isolation_id)
        if known is None:
            self._desired[lease.isolation_id] = self._until(
                as_isolation(lease, self._isolator.name, self._now_ns()), until_ns
            )
        elif until_ns <= known.until_ns - SECOND_NS:
            self._desired[lease.isolation_id] = self._until(known.isolation, until_ns)

    def _timed(self, isolation: Isolation, most_ns: int = MAX_ISOLATION_S * SECOND_NS) -> Desired:
        """Give an isolation its end by the clock that nobody sets: never more than it was given."""
        left_ns = isolation.expires_ns - max(self._now_ns(), isolation.isolated_ns)
        return self._until(isolation, self._passed_ns() + min(left_ns, most_ns))

    def _until(self, isolation: Isolation, until_ns: int) -> Desired:
        return Desired(isolation, until_ns, self._boot, self._passed_ns())

    async def _apply(self) -> dict[str, str]:
        """Make the enforcer hold what is desired; return what it refused for good, with the reason."""
        self._is_behind = True
        ahead_ns = self._now_ns() - self._passed_ns()
        leases = [
            as_lease(each.isolation, each.until_ns + ahead_ns) for each in self._desired.values()
        ]
        try:
            await self._isolator.apply(leases)
        except ExemptError as error:
            self._is_behind = False
            for key, who in error.refused.items():
                self._refused(self._desired.pop(key).isolation, who)
            return {key: f"refused: it is {who}" for key, who in error.refused.items()}
        self._is_behind = False
        return {}

    def _refused(self, isolation: Isolation, who: str) -> None:
        log.warning("isolation_refused", extra={"host": isolation.host, "it_is": who})
        if isolation.isolation_id in self._on_disk:  # held until now
            self._untold.append(self._lifted(isolation, f"it is {who}"))

    async def _slipped(self) -> list[Isolation]:
        """Return what the enforcer lost: rules flushed, a cable pulled and put back."""
        if not self._desired:
            return []
        slipped = await self._missing()
        for isolation in slipped:
            if isolation.isolation_id not in self._lost:
                log.warning("isolation_slipped", extra={"host": isolation.host})
        return slipped

    async def _put_back_or_failed(self, slipped: list[Isolation]) -> list[Isolation]:
        """Return what is there again, and once what is not."""
        missing = {each.isolation_id for each in await self._missing()} if slipped else set()
        still = [each for each in slipped if each.isolation_id in self._desired]
        back = [each for each in still if each.isolation_id not in missing]
        gone = [each for each in still if each.isolation_id in missing]
        fresh = [each for each in gone if each.isolation_id not in self._lost]
        self._lost = {each.isolation_id for each in gone}
        return [
            *(msgspec.structs.replace(each, state="verified", detail=PUT_BACK) for each in back),
            *(self._failed(each, "lost, and not to be put back") for each in fresh),
        ]

    async def _missing(self) -> list[Isolation]:
        """Return what should hold and does not, by the enforcer's word."""
        held = {target_of(lease) for lease in await self._isolator.read_back()}
        passed_ns = self._passed_ns()  # after the answer: what has ended by then is not missing
        going_on = [each for each in self._desired.values() if each.until_ns > passed_ns]
        return [each.isolation for each in going_on if _target(each.isolation) not in held]

    async def _save(self) -> None:
        """Write what is desired; what a person took out of the file is not desired any more."""
        desired, known = list(self._desired.values()), self._on_disk
        if not known and not desired:
            return
        try:
            taken_out = await asyncio.to_thread(self._file.exchange, desired, known)
        except IsolationError as error:
            log.warning("leases_not_saved", extra={"why": str(error)})
            return
        for key in taken_out & self._desired.keys():
            self._is_behind = True
            self._untold.append(self._lifted(self._desired.pop(key).isolation, BY_HAND))
        self._on_disk = set(self._desired)

    def _put_back(self, isolation_id: str, before: Desired | None) -> None:
        self._is_behind = True  # it may hold all the same
        self._desired.pop(isolation_id, None)
        if before is not None:
            self._desired[isolation_id] = before

    def _lifted(self, isolation: Isolation, reason: str) -> Isolation:
        return msgspec.structs.replace(
            isolation, state="lifted", lifted_ns=self._now_ns(), detail=reason
        )

    def _failed(self, isolation: Isolation, why: str) -> Isolation:
        log.error("isolation_failed", extra={"host": isolation.host, "why": why})
        return msgspec.structs.replace(isolation, state="failed", detail=why)


def _target(isolation: Isolation) -> Target:
    return target_of(as_lease(isolation, 0))
