"""How paho asks the kernel once for many packets, where it asks for each of them, and for parts of it."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final, Protocol

READ_BYTES: Final = 16_000  # what is read is taken in before the event loop goes on to others
SEND_BYTES: Final = 64_000
SEND_PACKETS: Final = 500
REST_S: Final = 0.01  # what arrives meanwhile is read together


class _Paho(Protocol):
    """What of paho is relied on: it sends what waits here from the front, and adds at the end."""

    _out_packet: deque[Mapping[str, Any]]
    _create_socket: Callable[[], socket.socket]


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

    def __init__(self, given: socket.socket, client: _Paho) -> None:
        self._socket = given
        self._client = client
        self.is_empty = False  # the kernel gave less than it was asked for
        self._read = memoryview(b"")  # ahead
        self._sent = 0  # bytes of waiting packets, ahead

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever a socket has
        return getattr(self._socket, name)

    def recv(self, most: int) -> bytes:
        """Return some of the bytes that arrived; none where the other side ended."""
        if not self._read:
            asked = max(most, READ_BYTES)
            self._read = memoryview(self._socket.recv(asked))
            self.is_empty = len(self._read) < asked
        part, self._read = self._read[:most], self._read[most:]
        return bytes(part)

    def pending(self) -> int:
        """Return how many bytes can be had although the socket is not readable."""
        undecoded: Callable[[], int] | None = getattr(self._socket, "pending", None)
        return len(self._read) + (0 if undecoded is None else undecoded())

    def send(self, packet: bytes) -> int:
        """Send a packet, the rest of one, and what waits behind it; return how much of it is sent."""
        if not self._sent:
            self._sent = self._socket.send(self._with_what_waits(packet))
        part = min(self._sent, len(packet))
        self._sent -= part
        return part

    def _with_what_waits(self, packet: bytes) -> bytes:
        waiting = list(islice(self._client._out_packet, SEND_PACKETS))  # noqa: SLF001
        parts, size = [packet], len(packet)
        for each in waiting:
            if size >= SEND_BYTES:
                break
            parts.append(each["packet"])
            size += len(each["packet"])
        return b"".join(parts)


class RestingLoop:
    """An event loop that leaves a socket alone for a while once it was read empty.

    Args:
        loop: The loop, which does all else.
        is_empty: Whether the socket was read empty just now; not where it was closed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, is_empty: Callable[[], bool]) -> None:
        self._loop = loop
        self._is_empty = is_empty
        self._resting: dict[int, asyncio.TimerHandle] = {}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever a loop has
        return getattr(self._loop, name)

    def add_reader(self, fd: int, callback: Callable[[], object]) -> None:
        """Call back when something can be read, until it was all read and the rest is over."""

        def read() -> None:
            callback()
            if self._is_empty():
                self._loop.remove_reader(fd)
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
