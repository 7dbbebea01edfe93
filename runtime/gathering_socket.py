"""How paho asks the kernel once for many packets, where it asks for each of them, and for parts of it."""

import asyncio
import select
import socket
from collections.abc import Callable
from itertools import islice
from operator import attrgetter, itemgetter
from typing import Any, Final

READ_BYTES: Final = 16_000  # what is read is taken in before the event loop goes on to others
SEND_BYTES: Final = 64_000
SEND_AT_ONCE: Final = 500  # packets
REST_S: Final = 0.01  # what arrives meanwhile is read together


# Of paho's client: what waits to be sent from the front and is added to at the end; and the bytes of one of these.
_waiting = attrgetter("_out_packet")
_bytes_of = itemgetter("packet")


class GatheringSocket:
    """Reads ahead and sends ahead; all else is the socket's own.

    A message of a device is three calls of the kernel to read, one to say that it arrived and one
    for its receipt. Where thousands come in a second these cost more than to understand them.

    Whoever waits for the socket to become readable has to ask `pending` as of a TLS socket: what
    was read ahead makes no socket readable.

    Args:
        given: The socket, plain or TLS.
        client: paho's client, whose packets wait to be sent.
    """

    def __init__(self, given: socket.socket, client: object) -> None:
        self._socket = given
        self._client = client
        self._read = memoryview(b"")  # ahead
        self._sent = 0  # bytes of waiting packets, ahead

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever a socket has
        return getattr(self._socket, name)

    def recv(self, most: int) -> bytes:
        """Return some of the bytes that arrived; none where the other side ended."""
        if not self._read:
            self._read = memoryview(self._socket.recv(max(most, READ_BYTES)))
        part, self._read = self._read[:most], self._read[most:]
        return bytes(part)

    def pending(self) -> int:
        """Return how many bytes can be had although the socket is not readable."""
        undecoded: Callable[[], int] | None = getattr(self._socket, "pending", None)
        return len(self._read) + (0 if undecoded is None else undecoded())

    def send(self, first: bytes) -> int:
        """Send a packet, or the rest of one, and what waits behind it; return how much of it is sent."""
        if not self._sent:
            self._sent = self._socket.send(self._with_what_waits(first))
        part = min(self._sent, len(first))
        self._sent -= part
        return part

    def _with_what_waits(self, first: bytes) -> bytes:
        parts, size = [first], len(first)
        for each in map(_bytes_of, list(islice(_waiting(self._client), SEND_AT_ONCE))):
            if size >= SEND_BYTES:
                break
            parts.append(each)
            size += len(each)
        return b"".join(parts)


class RestingLoop:
    """An event loop that leaves a socket alone for a while once it was read empty.

    A read that gives less than was asked for says nothing of that: with TLS it is one record.

    Args:
        loop: The loop, which does all else.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._resting: dict[int, asyncio.TimerHandle] = {}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever a loop has
        return getattr(self._loop, name)

    def add_reader(self, fd: int, callback: Callable[[], object]) -> None:
        """Call back when something can be read, until it was all read and the rest is over."""

        def read() -> None:
            callback()
            # It is removed already where the callback closed it.
            if not _is_readable(fd) and self._loop.remove_reader(fd):
                self._resting[fd] = self._loop.call_later(REST_S, go_on)

        def go_on() -> None:
            del self._resting[fd]
            self._loop.add_reader(fd, read)

        self._loop.add_reader(fd, read)

    def remove_reader(self, fd: int) -> bool:
        """Call back no more; return whether it would have been."""
        if (rest := self._resting.pop(fd, None)) is None:
            return self._loop.remove_reader(fd)
        rest.cancel()
        return True


def _is_readable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))
