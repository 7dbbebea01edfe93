"""Clocks of devices that are wrong: a Pi without a battery starts with the time at which it was switched off."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from aggregator.ingest.reading import Present
from aggregator.ingest.storing import AnyReported
from aggregator.store.devices import WrongClock
from aggregator.store.reported import Reported
from aggregator.store.watermarks import Boot
from contract.messages import (
    Alert,
    CommandAck,
    Health,
    Isolation,
    LogLines,
    Message,
    PacketSample,
    Readings,
    VerdictBatch,
)

M = TypeVar("M", bound=Message)

NS_PER_S: Final = 1_000_000_000
TOLERANCE_NS: Final = (
    60 * NS_PER_S
)  # a message is under way for some time, and a second is not missed
MOST_BOOTS: Final = 20_000
LATEST_NS: Final = 2**63 - 1


class _Clock(msgspec.Struct):
    """What is known of one boot."""

    # When it began, by our clock: the earliest that any message lets it have begun.
    began_ns: int = LATEST_NS
    offset_ns: int = 0  # to be added to the times that it tells


class Clocks:
    """Brings times of devices whose clock does not follow a time server to ours.

    What a device tells waits for days where the link is cut, so that when it arrives says nothing
    of when it was. But how long its agent has been running does not depend on the clock: a message
    that came at once (presence, or any report of health that did not wait) says when that began.
    Whether a clock is right is the word of its device; one that follows a time server is believed.

    Args:
        wrong: What is stored of it: until its next report a device is corrected by the last.
    """

    def __init__(self, wrong: Iterable[WrongClock] = ()) -> None:
        self._clocks: OrderedDict[Boot, _Clock] = OrderedDict()
        for each in wrong:
            clock = self._known(Boot(each.organization, each.device_id, each.boot))
            clock.offset_ns = each.clock_offset_ns

    def meet(self, present: Iterable[Present]) -> None:
        """Take in who came. What the broker has kept came at another time."""
        for item in present:
            message = item.reported.message
            if message.online and message.uptime_s is not None and not item.retained:
                # Whatever was known: a machine that was halted meanwhile has run for a shorter time.
                clock = self._known(_boot(item.reported))
                clock.began_ns = item.reported.received_ns - message.uptime_s * NS_PER_S

    def corrected(self, reported: Sequence[AnyReported]) -> list[AnyReported]:
        """Return reports, in their order, with the times at which they were by our clock.

        What was told before the clock was set is corrected as the report of health before it, so
        that some seconds around that may be off; nothing is later than its arrival.
        """
        return [self._by_our_clock(item) for item in reported]

    def _by_our_clock(self, item: AnyReported) -> AnyReported:
        message = item.message
        if isinstance(message, Health):
            clock = self._known(_boot(item))
            began_ns = item.received_ns - message.uptime_s * NS_PER_S
            clock.began_ns = min(clock.began_ns, began_ns)
            offset_ns = clock.began_ns + message.uptime_s * NS_PER_S - message.sent_ns
            is_right = message.clock_synchronized or abs(offset_ns) <= TOLERANCE_NS
            # A device may make up how long it has run: the column has its bounds.
            clock.offset_ns = 0 if is_right else max(-LATEST_NS, min(offset_ns, LATEST_NS))
            return msgspec.structs.replace(item, clock_offset_ns=clock.offset_ns)
        known = self._clocks.get(_boot(item))
        shift = _SHIFTS.get(type(message))
        if known is None or not known.offset_ns or shift is None:
            return item

        def moved(told_ns: int) -> int:
            return max(0, min(told_ns + known.offset_ns, LATEST_NS))

        def past(told_ns: int) -> int:
            return min(moved(told_ns), max(item.received_ns, 0))

        return msgspec.structs.replace(
            item, message=shift(message, past, moved), clock_offset_ns=known.offset_ns
        )

    def _known(self, boot: Boot) -> _Clock:
        clock = self._clocks.pop(boot, None) or _Clock()
        self._clocks[boot] = clock
        if len(self._clocks) > MOST_BOOTS:
            self._clocks.popitem(last=False)
        return clock


Move = Callable[[int], int]
Shift = Callable[[Any, Move, Move], Message]  # of the past, and of what may be yet to come


def _boot(item: Reported[M]) -> Boot:
    return Boot(item.organization, item.device_id, item.boot)


def _fields(*names: str, ahead: Sequence[str] = ()) -> Shift:
    def shift(message: Message, past: Move, moved: Move) -> Message:
        told = {name: getattr(message, name) for name in (*names, *ahead)}
        times = {
            name: moved(at_ns) if name in ahead else past(at_ns)
            for name, at_ns in told.items()
            if at_ns is not None
        }
        return msgspec.structs.replace(message, **times)

    return shift


def _columns(message: VerdictBatch, past: Move, _moved: Move) -> Message:
    starts = [past(told_ns) for told_ns in message.window_start_ns]
    return msgspec.structs.replace(message, window_start_ns=starts)


def _lines(message: LogLines, past: Move, _moved: Move) -> Message:
    lines = [
        msgspec.structs.replace(line, logged_ns=past(line.logged_ns)) for line in message.lines
    ]
    return msgspec.structs.replace(message, lines=lines)


def _values(message: Readings, past: Move, _moved: Move) -> Message:
    readings = [
        msgspec.structs.replace(reading, read_ns=past(reading.read_ns))
        for reading in message.readings
    ]
    return msgspec.structs.replace(message, readings=readings)


_SHIFTS: Final[dict[type[Message], Shift]] = {
    VerdictBatch: _columns,
    Alert: _fields("first_seen_ns", "opened_ns", "last_seen_ns"),
    Isolation: _fields("isolated_ns", "lifted_ns", ahead=("expires_ns",)),
    PacketSample: _fields("captured_ns"),
    CommandAck: _fields("at_ns"),
    LogLines: _lines,
    Readings: _values,
}
