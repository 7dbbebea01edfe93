"""What a reader's thread does for somebody, and that it stops once they are gone."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

INTERRUPT_S: Final = 0.1

T = TypeVar("T")


class Interruptible(Protocol):
    """What executes a statement."""

    def interrupt(self) -> None:
        """End the statement that is executed; without one, do nothing."""


class Reading:
    """A statement that would hold its thread, and the checkpoints of the database, for nobody."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cursor: Interruptible | None = None

    @contextmanager
    def by(self, cursor: Interruptible) -> Iterator[None]:
        """Be executed by a cursor for the length of the block."""
        with self._lock:
            self._cursor = cursor
        try:
            yield
        finally:
            with self._lock:
                self._cursor = None

    async def result(self, job: asyncio.Future[T]) -> T:
        """Return what the thread returns; a cancellation waits until the thread has let go."""
        try:
            await asyncio.wait([job])
        except asyncio.CancelledError:
            while not job.done():
                self._interrupt()  # means nothing between two statements: hence again and again
                await asyncio.wait([job], timeout=INTERRUPT_S)
            if not job.cancelled():
                job.exception()  # that it was interrupted is no news
            raise
        return job.result()

    def _interrupt(self) -> None:
        with self._lock:  # what the thread does next is somebody else's
            if self._cursor is not None:
                self._cursor.interrupt()
