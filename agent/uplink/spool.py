"""The spool: what the device has to tell waits here until the centre has stored it."""

import logging
import secrets
import sqlite3
import threading
from collections import Counter
from collections.abc import Container, Sequence
from pathlib import Path

from agent.errors import SpoolError
from agent.uplink.outbox import FIRST_LANE, IN_MEMORY, LAST_LANE, Numbered, Outbox, Remembered, Row
from contract.codec import CodecError, decode_envelope, encode
from contract.messages import (
    Alert,
    AnyMessage,
    CommandAck,
    Envelope,
    Health,
    Isolation,
    ModelsHave,
)
from contract.topics import LEAVES

log = logging.getLogger(__name__)

MAX_MEMORY_BYTES = 8 * 1024 * 1024
LANES: dict[type, int] = {
    Alert: FIRST_LANE,
    Isolation: FIRST_LANE,
    CommandAck: FIRST_LANE,
    ModelsHave: 1,
    Health: 1,
}
HIGHEST = 2**63 - 1  # stands for a number that is not known yet: none is longer on the wire


def new_boot() -> str:
    """Return a name for this start of the program that was never used before."""
    return secrets.token_hex(8)


class Spool:
    """A durable, bounded outbox. Safe to call from several threads; every call may wait for disk.

    A message gets its number when it is first handed over, so numbers have no holes: what was
    dropped before had none, and what is dropped later raises the floor. The number is kept with
    the message, so a restart sends it again under the same one.

    When the disk takes nothing more, messages wait in memory, bounded and numbered under a boot
    of their own, until the disk does.
    """

    def __init__(self, path: Path, max_bytes: int, boot: str) -> None:
        """Open the file, or start a new one; a file that is no database is set aside.

        Raises:
            SpoolError: The file cannot be opened or written, or another process holds it.
        """
        self.boot = boot
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._refused: Counter[str] = Counter()
        self._disk = Outbox(path, max_bytes, boot)
        self._memory: Outbox | None = None  # where messages wait while the disk fails

    def append(self, messages: Sequence[AnyMessage]) -> None:
        """Keep messages in one transaction; when this returns they are safe.

        What is too large for the wire, or finds no room, is counted in `dropped`.
        """
        rows = [row for message in messages if (row := self._encoded(message)) is not None]
        if not rows:
            return
        with self._lock:
            try:
                self._disk.append(rows)
            except sqlite3.Error as error:
                self._fall_back(error).append(rows)
                return
            self._return_to_disk()

    def _encoded(self, message: AnyMessage) -> Row | None:
        leaf = LEAVES[type(message)]
        try:
            data = encode(Envelope(boot=self.boot, seq=HIGHEST, floor=HIGHEST, message=message))
            decode_envelope(data)  # what the centre could not read would block all that follows
        except CodecError as error:
            log.error("message_unsendable", extra={"leaf": leaf, "why": str(error)})  # noqa: TRY400
            self._refused[f"spool_unsendable_{leaf}"] += 1
            return None
        return Row(LANES.get(type(message), LAST_LANE), leaf, data)

    def _fall_back(self, error: sqlite3.Error) -> Outbox:
        if self._memory is None:
            log.error("spool_unwritable", extra={"why": str(error), "now": "in memory"})
            room = min(self._max_bytes, MAX_MEMORY_BYTES)
            self._memory = Outbox(IN_MEMORY, room, new_boot())
        return self._memory

    def _return_to_disk(self) -> None:
        if self._memory is not None and self._memory.rows == 0:
            log.warning("spool_writable")
            self._refused += self._memory.dropped
            self._memory.close()
            self._memory = None

    def pending(
        self, limit: int, skip: Container[tuple[str, int]] = frozenset()
    ) -> list[Numbered]:
        """Return the first `limit` messages in sending order, without those in `skip`.

        Alerts and isolations are numbered before others; messages of earlier boots come first.

        Args:
            limit: The window: how many may be without a receipt.
            skip: (boot, seq) of messages that are under way.

        Raises:
            SpoolError: The file became unreadable.
        """
        with self._lock:
            try:
                found = self._disk.pending(limit, skip)
            except sqlite3.Error as error:
                message = f"spool: {error}"
                raise SpoolError(message) from error
            if self._memory is not None:
                found += self._memory.pending(limit, skip)
            return found

    def forget(self, boot: str, upto: int) -> None:
        """Forget what the centre has stored: everything of a boot up to a number."""
        with self._lock:
            if self._memory is not None and boot == self._memory.boot:
                self._memory.forget(boot, upto)
                return
            try:
                self._disk.forget(boot, upto)
            except sqlite3.Error as error:
                log.debug("forgetting_failed", extra={"why": str(error)})

    def remember_order(self, order: Remembered, now_ns: int) -> int | None:
        """Remember an order across restarts; return when the latest before it was issued, else 0.

        The latest is that of the same isolation. None: it was seen before, and was finished.

        Raises:
            SpoolError: It cannot be remembered, so nothing may be done in its name.
        """
        with self._lock:
            try:
                return self._disk.remember_order(order, now_ns)
            except sqlite3.Error as error:
                message = f"spool: {error}"
                raise SpoolError(message) from error

    def finish_order(self, nonce: str) -> None:
        """Remember that an order was answered for good, so that it is never taken again."""
        with self._lock:
            try:
                self._disk.finish_order(nonce)
            except sqlite3.Error as error:  # then it is taken once more, to the same effect
                log.warning("order_not_finished", extra={"why": str(error)})

    @property
    def dropped(self) -> dict[str, int]:
        """What was dropped since the start, by reason."""
        with self._lock:
            total = self._refused + self._disk.dropped
            return dict(total + self._memory.dropped if self._memory is not None else total)

    def depth(self) -> dict[str, int]:
        """Return how many messages and bytes wait, on disk and in memory."""
        with self._lock:
            memory = self._memory.rows if self._memory is not None else 0
            return {
                "spool": self._disk.rows,
                "spool_bytes": self._disk.bytes,
                "spool_memory": memory,
            }

    def close(self) -> None:
        """Close the file; what waits in memory is lost, what waits on disk is not."""
        with self._lock:
            self._disk.close()
            if self._memory is not None:
                self._memory.close()
                self._memory = None
