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


class DesiredIsolations:
    """Keeps the desired isolations and brings the enforcer to agree; reports what it read back."""

    def __init__(self, isolator: Isolator, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._isolator = isolator
        self._now_ns = now_ns
        self._desired: dict[str, Isolation] = {}

    async def isolate(self, isolation: Isolation) -> Isolation:
        """Cut off; return the isolation as `verified` by the enforcer, or `failed` with the reason."""
        isolation = msgspec.structs.replace(isolation, enforcement=self._isolator.name)
        if len(self._desired) >= MAX_ISOLATIONS:
            return self._failed(isolation, "too many isolations at once")
        self._desired[isolation.isolation_id] = isolation
        try:
            await self._reconcile()
            held = {_target(lease) for lease in await self._isolator.read_back()}
        except IsolationError as error:
            del self._desired[isolation.isolation_id]
            return self._failed(isolation, str(error))
        if _target(_lease(isolation)) not in held:
            del self._desired[isolation.isolation_id]
            return self._failed(isolation, "not there when it was read back")
        return msgspec.structs.replace(isolation, state="verified")

    async def release(self, isolation_id: str, reason: str) -> list[Isolation]:
        """Let go before the time; return the isolation as lifted, nothing if it is unknown."""
        isolation = self._desired.pop(isolation_id, None)
        if isolation is None:
            return []
        try:
            await self._reconcile()
        except IsolationError as error:
            self._desired[isolation_id] = isolation
            return [self._failed(isolation, f"could not be lifted: {error}")]
        lifted = msgspec.structs.replace(
            isolation, state="lifted", lifted_ns=self._now_ns(), detail=reason
        )
        return [lifted]

    async def expire(self) -> list[Isolation]:
        """Return what ended by its time since the last call."""
        now_ns = self._now_ns()
        ended = [i for i in self._desired.values() if i.expires_ns <= now_ns]
        for isolation in ended:
            del self._desired[isolation.isolation_id]
        if ended:
            try:
                await self._reconcile()
            except IsolationError as error:
                log.warning("reconcile_failed", extra={"why": str(error)})
        return [msgspec.structs.replace(isolation, state="expired") for isolation in ended]

    async def _reconcile(self) -> None:
        await self._isolator.apply([_lease(isolation) for isolation in self._desired.values()])

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
