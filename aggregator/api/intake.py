"""What is sent to be kept: not with a full disk, and by no device faster than all of us can take it."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from aggregator.api.identity import Machine, Person
from aggregator.config import HttpConfig
from aggregator.errors import FullError, TooManyAttemptsError
from aggregator.pace import Pace
from aggregator.store.devices import KeyOwner
from aggregator.store.room import Room

log = logging.getLogger(__name__)

BURST_S: Final = 10  # so many seconds' worth may come at once: who was cut off has much to tell
LOG_EVERY_S: Final = 60.0
RETRY_AFTER_S: Final = 60


class Refusals(msgspec.Struct):
    """What was not taken in since the start, by why."""

    without_room: int = 0
    too_fast: int = 0  # of devices
    person_too_fast: int = 0


class Intake:
    """Decides whether what is sent over HTTP is taken in.

    Args:
        room: Whether the disk has room.
        config: How fast a device may send, and how often a person may ask.
        clock: Seconds that only rise.
    """

    def __init__(
        self, room: Room, config: HttpConfig, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.refused = Refusals()
        self._room = room
        self._clock = clock
        self._logged_s = -LOG_EVERY_S
        self._most_bytes = config.max_body_bytes  # beyond, it is refused in any case
        most_at_once = max(config.device_bytes_per_s * BURST_S, config.max_body_bytes)
        per_s = config.device_requests_per_s
        self._requests = Pace(per_s * BURST_S, per_s, clock)
        self._bytes = Pace(most_at_once, config.device_bytes_per_s, clock)
        per_s = config.person_requests_per_s
        self._people = Pace(per_s * BURST_S, per_s, clock)

    def check_room(self) -> None:
        """Let nothing more in while the disk is full.

        Raises:
            FullError: It is.
        """
        if not self._room.is_enough():
            self.refused.without_room += 1
            message = (
                "the disk of the centre is full: nothing more is taken in until there is room"
            )
            raise FullError(message, RETRY_AFTER_S)

    def take_turn(self, device: KeyOwner, body_bytes: int | None) -> None:
        """Let a device ask for something.

        Args:
            device: Which one; its keys share its turns.
            body_bytes: How long the body is; None: it is not said, so it may be the longest.

        Raises:
            TooManyAttemptsError: It sends more, or more often, than a device may.
        """
        key = f"{device.organization}/{device.device_id}"
        longest = self._most_bytes
        try:
            self._requests.take(key)
            self._bytes.take(key, longest if body_bytes is None else min(body_bytes, longest))
        except TooManyAttemptsError:
            self.refused.too_fast += 1
            self._tell(key)
            raise

    def take_turn_of(self, person: Person) -> None:
        """Let a person ask for something, or a program with a token of theirs.

        Raises:
            TooManyAttemptsError: They ask more often than one of many should.
        """
        try:
            self._people.take(f"{person.organization}/{person.user.id}")
        except TooManyAttemptsError:
            self.refused.person_too_fast += 1
            raise

    def _tell(self, key: str) -> None:
        # Now and then, and one of them: whoever floods us does not flood our log as well.
        if self._clock() - self._logged_s >= LOG_EVERY_S:
            self._logged_s = self._clock()
            extra = {"device": key, "refused": self.refused.too_fast}
            log.warning("device_sends_too_fast", extra=extra)


async def bound_intake(
    connection: ASGIConnection[Any, Any, Any, Any], route: BaseRouteHandler
) -> None:
    """Let pass what is taken in; runs once it is known who asks.

    Raises:
        FullError: It would be kept, and the disk is full.
        TooManyAttemptsError: A device sends too fast, or a person asks too often.
    """
    intake: Intake = connection.app.state.intake
    who = connection.scope.get("user")
    try:
        if isinstance(who, Machine):
            intake.take_turn(who.owner, _body_bytes(connection))
        elif isinstance(who, Person) and not route.opt.get("even_over_plan"):
            intake.take_turn_of(who)
        if route.opt.get("stores"):
            intake.check_room()
    except (FullError, TooManyAttemptsError):
        await _hear_out(connection)
        raise


async def _hear_out(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    # Who is cut off while it still sends does not read our answer, and would try again at once.
    if isinstance(connection, Request):
        async for _ in connection.stream():
            pass


def _body_bytes(connection: ASGIConnection[Any, Any, Any, Any]) -> int | None:
    if "transfer-encoding" in connection.headers:
        return None
    # The server has checked it: who sends more than it says is cut off.
    return int(connection.headers.get("content-length") or 0)
