"""Orders from the centre: believed only when signed, for us, in time and for the first time."""

import asyncio
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent.errors import AgentError, SpoolError
from agent.uplink.outbox import Remembered
from agent.uplink.spool import Spool
from contract.codec import CodecError, decode_order, decode_signed_order
from contract.commands import (
    AnyCommand,
    InstallModel,
    Isolate,
    Order,
    Release,
    SignedOrder,
    key_id,
)
from contract.identifiers import DeviceId, OrganizationId
from contract.messages import CommandAck, CommandState

log = logging.getLogger(__name__)

MAX_DETAIL_CHARACTERS = 2000
SLOW = (InstallModel,)  # what others, a lift above all, must not wait for
MAX_SLOW = 4
MAX_DECLINED = 10  # answers a minute to what cannot be checked
MINUTE_NS = 60_000_000_000
KEYLESS = "the device has no key to believe commands by: set public_key_file in [commands] there"
OTHER_KEY = (
    "the device believes the key {ours} alone, and this is signed by {theirs}: write what "
    "`edgewarden-aggregator command-key` prints into public_key_file there"
)
OVERTAKEN = "what was ordered of this isolation later came first, and stands"


class Outcome(msgspec.Struct, frozen=True):
    """How far a command was carried out."""

    state: CommandState
    detail: str = ""


Obey = Callable[[AnyCommand], Awaitable[Outcome]]
Acknowledge = Callable[[CommandAck], Awaitable[None]]


class Trust(msgspec.Struct, frozen=True):
    """Whose orders are obeyed, and which of them are for us."""

    organization: OrganizationId
    device_id: DeviceId
    key: Ed25519PublicKey | None  # None: nobody's

    def means_us(self, order: Order) -> bool:
        """Return whether an order is for us: organizations share the key, and names may be alike."""
        ours = order.organization in {None, self.organization}
        return ours and order.device_id == self.device_id


class Refusal(StrEnum):
    """Why an order is not believed; the names of the counters."""

    WITHOUT_KEY = "command_without_key"
    RETAINED = "command_retained"
    UNREADABLE = "command_unreadable"
    UNKNOWN_KEY = "command_of_unknown_key"
    BADLY_SIGNED = "command_badly_signed"
    FOR_ANOTHER = "command_for_another"
    SEEN_BEFORE = "command_seen_before"
    NOT_REMEMBERABLE = "command_not_rememberable"


class _RefusedError(Exception):
    def __init__(self, refusal: Refusal, why: str = "") -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
        self.why = why  # for whoever gave the order; nothing: they hear nothing


class Commands:
    """Checks orders and has them carried out, one after the other.

    An order that is not provably the centre's is counted and not answered: an answer would only
    serve whoever sent it. Where there is no key to prove it by, or it is signed by another, a few
    a minute are answered as `failed`, so that a person who lifts learns at once that it cannot be.
    That answer names the very bytes which it is about: of a forgery it says nothing to the centre.
    `counters` tells how many were not obeyed, by reason.
    """

    def __init__(
        self,
        spool: Spool,
        trust: Trust,
        *,
        obey: Obey,
        acknowledge: Acknowledge,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Take orders.

        Args:
            spool: Remembers which orders were seen.
            trust: Whose orders are obeyed.
            obey: Carries a command out. An AgentError is reported as `failed`.
            acknowledge: Tells the centre.
            now_ns: The clock.
        """
        self.counters: Counter[str] = Counter()
        self._spool = spool
        self._trust = trust
        self._obey = obey
        self._acknowledge = acknowledge
        self._now_ns = now_ns
        self._declined_ns: list[int] = []  # when, within the last minute
        self._slow: asyncio.Queue[Order] = asyncio.Queue(MAX_SLOW)
        self._under_way: set[str] = set()  # nonces

    async def take(self, payload: bytes, *, retained: bool) -> None:
        """Check an order and carry it out; whatever the bytes are, nothing is raised for them."""
        try:
            order = self._believed(payload, retained=retained)
            latest_ns = await self._remember(order)
        except _RefusedError as error:
            self._count(error.refusal)
            if error.why:
                await self._decline(payload, error.why)
            return
        self._under_way.add(order.nonce)
        # Whatever our clock says: who was cut off is let go where somebody ordered it. Of another
        # isolation than its own a lift means nothing, however late it comes.
        is_late = order.expires_ns <= self._now_ns()
        if is_late and not isinstance(order.command, Release):
            self._count("command_expired")
            await self._finish(order, Outcome("expired"))
            return
        await self._answer(order, Outcome("received"))
        # Orders that were lost are sent again, behind those of meanwhile. No lift is refused so.
        if isinstance(order.command, Isolate) and order.issued_ns < latest_ns:
            self._count("command_overtaken")
            await self._finish(order, Outcome("failed", OVERTAKEN))
        elif not isinstance(order.command, SLOW):
            await self._finish(order, await self._carried_out(order))
        elif self._slow.full():
            await self._finish(order, Outcome("failed", f"{MAX_SLOW} of these wait already"))
        else:
            self._slow.put_nowait(order)

    async def take_time(self) -> None:
        """Carry out, for ever and one after the other, what takes time."""
        while True:
            order = await self._slow.get()
            await self._finish(order, await self._carried_out(order))

    async def _decline(self, payload: bytes, why: str) -> None:
        """Say that an order cannot be believed here, to whoever knows the number of a command.

        Anybody who may publish to us could ask for it without end, and answers take room in the
        spool that alerts need: hence the few. The centre sends again what was not answered.
        """
        now_ns = self._now_ns()
        recent = [then_ns for then_ns in self._declined_ns if 0 <= now_ns - then_ns < MINUTE_NS]
        if len(recent) >= MAX_DECLINED:
            return
        try:
            order = decode_order(decode_signed_order(payload).order)
        except CodecError:
            return
        if self._trust.means_us(order):
            self._declined_ns = [*recent, now_ns]
            declined = hashlib.sha256(payload).hexdigest()
            await self._answer(order, Outcome("failed", why), declined)

    def _believed(self, payload: bytes, *, retained: bool) -> Order:
        if retained:  # a retained order would come again with every connection
            raise _RefusedError(Refusal.RETAINED)
        if self._trust.key is None:
            raise _RefusedError(Refusal.WITHOUT_KEY, KEYLESS)
        try:
            signed = decode_signed_order(payload)
            _verify(self._trust.key, signed)
            order = decode_order(signed.order)
        except CodecError as error:
            raise _RefusedError(Refusal.UNREADABLE) from error
        except InvalidSignature as error:
            raise _RefusedError(Refusal.BADLY_SIGNED) from error
        if not self._trust.means_us(order):
            raise _RefusedError(Refusal.FOR_ANOTHER)
        return order

    async def _remember(self, order: Order) -> int:
        """Return when the latest order before this of its isolation was issued, 0 if none was."""
        command = order.command
        isolation_id = command.isolation_id if isinstance(command, Isolate | Release) else None
        kept = Remembered(order.nonce, order.issued_ns, order.expires_ns, isolation_id)
        if order.nonce in self._under_way:
            raise _RefusedError(Refusal.SEEN_BEFORE)
        try:
            latest_ns = await asyncio.to_thread(self._spool.remember_order, kept, self._now_ns())
        except SpoolError as error:
            raise _RefusedError(Refusal.NOT_REMEMBERABLE) from error
        if latest_ns is None:
            raise _RefusedError(Refusal.SEEN_BEFORE)
        return latest_ns

    async def _carried_out(self, order: Order) -> Outcome:
        kind = type(order.command).__name__
        try:
            outcome = await self._obey(order.command)
        except AgentError as error:
            outcome = Outcome("failed", str(error))
        told = {"command": kind, "id": order.command_id, "state": outcome.state}
        log.info("command_obeyed", extra=told)
        return outcome

    async def _finish(self, order: Order, outcome: Outcome) -> None:
        """Answer for good; an order of which we end before that is taken when it comes again."""
        await self._answer(order, outcome)
        await asyncio.to_thread(self._spool.finish_order, order.nonce)
        self._under_way.discard(order.nonce)

    async def _answer(self, order: Order, outcome: Outcome, declined: str | None = None) -> None:
        detail = outcome.detail[:MAX_DETAIL_CHARACTERS]
        ack = CommandAck(
            command_id=order.command_id,
            state=outcome.state,
            at_ns=self._now_ns(),
            detail=detail,
            declined=declined,
        )
        await self._acknowledge(ack)

    def _count(self, reason: str) -> None:
        self.counters[reason] += 1
        if self.counters[reason] == 1:  # whoever can publish could otherwise fill the log
            log.warning(reason, extra={"hint": "further ones are only counted"})


def _verify(key: Ed25519PublicKey, signed: SignedOrder) -> None:
    ours = key_id(key.public_bytes_raw())
    if signed.key_id != ours:
        why = OTHER_KEY.format(ours=ours, theirs=signed.key_id)
        raise _RefusedError(Refusal.UNKNOWN_KEY, why)
    key.verify(signed.signature, signed.order)
