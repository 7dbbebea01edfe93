"""Who should be cut off until when, and what the enforcer says of it; the only way to isolate."""

import logging
import time
from collections.abc import Callable
from typing import Final

import msgspec

from agent.errors import IsolationError
from agent.isolation import Isolator, Lease
from contract.messages import Isolation

log = logging.getLogger(__name__)

MAX_ISOLATIONS: Final = 1024
NOBODY: Final = "00:00:00:00:00:00"  # the host of an isolation that names a bridge port alone


class DesiredIsolations:
    """Keeps the desired isolations and brings the enforcer to agree; reports what it read back."""

    def __init__(self, isolator: Isolator, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._isolator = isolator
        self._now_ns = now_ns
        self._desired: dict[str, Isolation] = {}
        self._adopted: dict[str, Lease] | None = None  # of an earlier start; None: not looked yet

    async def isolate(self, isolation: Isolation) -> Isolation:
        """Cut off; return the isolation as `verified` by the enforcer, or `failed` with the reason.

        One that is there already is prolonged; where that fails it is returned as it still holds.
        """
        isolation = msgspec.structs.replace(isolation, enforcement=self._isolator.name)
        if len(self._desired) >= MAX_ISOLATIONS:
            return self._failed(isolation, "too many isolations at once")
        before = self._desired.get(isolation.isolation_id)
        self._desired[isolation.isolation_id] = isolation
        try:
            await self._reconcile()
            held = await self._held()
        except IsolationError as error:
            return self._put_back(isolation, before, str(error))
        if _target(_lease(isolation)) not in held:
            return self._put_back(isolation, before, "not there when it was read back")
        return msgspec.structs.replace(isolation, state="verified")

    async def release(self, isolation_id: str, reason: str) -> list[Isolation]:
        """Let go before the time; return the isolation as lifted, nothing if it is unknown.

        One that the enforcer still holds when it is read back stays `verified`, with the reason.
        """
        try:
            adopted = (await self._adopt()).pop(isolation_id, None)
        except IsolationError as error:
            log.warning("adoption_failed", extra={"why": str(error)})
            adopted = None
        isolation = self._desired.pop(isolation_id, None) or self._of_before(adopted)
        if isolation is None:
            return []
        try:
            await self._reconcile()
            held = {lease.isolation_id for lease in await self._isolator.read_back()}
            why = "still there when it was read back" if isolation_id in held else ""
        except IsolationError as error:
            why = str(error)
        if why:
            self._desired[isolation_id] = isolation
            log.error("lift_failed", extra={"host": isolation.host, "why": why})
            still = msgspec.structs.replace(isolation, state="verified")
            return [msgspec.structs.replace(still, detail=f"could not be lifted: {why}")]
        lifted = msgspec.structs.replace(
            isolation, state="lifted", lifted_ns=self._now_ns(), detail=reason
        )
        return [lifted]

    async def expire(self) -> list[Isolation]:
        """Return what ended by its time since the last call; put back what was lost before it."""
        now_ns = self._now_ns()
        ended = [i for i in self._desired.values() if i.expires_ns <= now_ns]
        for isolation in ended:
            del self._desired[isolation.isolation_id]
        try:
            adopted = await self._adopt()
            gone = [lease for lease in adopted.values() if lease.expires_ns <= now_ns]
            for lease in gone:
                del adopted[lease.isolation_id]
            if ended or gone or await self._has_slipped():
                await self._reconcile()
        except IsolationError as error:
            log.warning("reconcile_failed", extra={"why": str(error)})
        return [msgspec.structs.replace(isolation, state="expired") for isolation in ended]

    async def _reconcile(self) -> None:
        """Make the enforcer hold what is desired and, to its end, what an earlier start began."""
        leases = {**await self._adopt()}
        leases.update((i.isolation_id, _lease(i)) for i in self._desired.values())
        await self._isolator.apply(list(leases.values()))

    async def _adopt(self) -> dict[str, Lease]:
        if self._adopted is None:
            held = await self._isolator.read_back()
            self._adopted = {lease.isolation_id: lease for lease in held}
        return self._adopted

    async def _has_slipped(self) -> bool:
        """Return whether the enforcer lost an isolation: rules flushed, a cable pulled and put back."""
        if not self._desired:
            return False
        held = await self._held()
        slipped = [i for i in self._desired.values() if _target(_lease(i)) not in held]
        for isolation in slipped:
            log.warning("isolation_slipped", extra={"host": isolation.host})
        return bool(slipped)

    async def _held(self) -> set[tuple[str | None, str | None, str | None]]:
        return {_target(lease) for lease in await self._isolator.read_back()}

    def _put_back(self, isolation: Isolation, before: Isolation | None, why: str) -> Isolation:
        failed = self._failed(isolation, why)
        del self._desired[isolation.isolation_id]
        if before is None:
            return failed
        self._desired[isolation.isolation_id] = before
        return msgspec.structs.replace(before, state="verified", detail=f"not prolonged: {why}")

    def _of_before(self, lease: Lease | None) -> Isolation | None:
        """Return what can be said of an isolation that an earlier start of the program began."""
        if lease is None:
            return None
        return Isolation(
            isolation_id=lease.isolation_id,
            alert_id=None,
            host=lease.mac or lease.ip or NOBODY,
            isolated_mac=lease.mac,
            isolated_ip=lease.ip,
            isolated_port=lease.bridge_port,
            reason="isolated before the agent was started again",
            enforcement=self._isolator.name,
            state="verified",
            isolated_ns=self._now_ns(),
            expires_ns=lease.expires_ns,
        )

    def _failed(self, isolation: Isolation, why: str) -> Isolation:
        log.error("isolation_failed", extra={"host": isolation.host, "why": why})
        return msgspec.structs.replace(isolation, state="failed", detail=why)


def _lease(isolation: Isolation) -> Lease:
    return Lease(
        isolation_id=isolation.isolation_id,
        mac=isolation.isolated_mac,
        ip=isolation.isolated_ip,
        # A MAC is cut off wherever it shows up; the bridge port alone only when nothing narrows it.
        bridge_port=None
        if isolation.isolated_mac or isolation.isolated_ip
        else isolation.isolated_port,
        expires_ns=isolation.expires_ns,
    )


def _target(lease: Lease) -> tuple[str | None, str | None, str | None]:
    return (lease.mac, lease.ip, lease.bridge_port)
