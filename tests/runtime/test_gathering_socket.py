"""What paho reads and sends through gathering sockets is what it would without, in fewer calls of the kernel."""

import asyncio
import socket
from collections import deque
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from runtime.gathering_socket import READ_BYTES, SEND_BYTES, GatheringSocket, RestingLoop

SIZES = st.lists(st.integers(0, 2 * READ_BYTES), min_size=1, max_size=8)
EVERYTHING = 10**6


class Kernel:
    """A socket that gives and takes as little as it is told to, and then everything."""

    def __init__(self, steps: list[int], arrives: bytes = b"") -> None:
        self._steps = deque(steps)
        self.arrives = arrives
        self.sent = b""
        self.calls = 0

    def send(self, data: bytes) -> int:
        taken = data[: self._step()]
        self.sent += taken
        return len(taken)

    def recv(self, most: int) -> bytes:
        most = min(most, self._step())
        if not self.arrives:
            raise BlockingIOError
        given, self.arrives = self.arrives[:most], self.arrives[most:]
        return given

    def close(self) -> None:
        self.arrives = b""

    def _step(self) -> int:
        self.calls += 1
        step = self._steps.popleft() if self._steps else EVERYTHING
        if not step:
            raise BlockingIOError
        return step


def paho(kernel: Kernel) -> Client:
    """Return a connected client that queues what it sends, as aiomqtt's does."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_socket_register_write = lambda *_: None
    own, given = cast("Any", client), cast("Any", kernel)
    own._sock = GatheringSocket(given, own)
    return client


def read_all(client: Client) -> None:
    """Read as aiomqtt does once the socket is readable."""
    client.loop_read()
    while cast("Any", client)._sock.pending():
        client.loop_read()


def publish(client: Client, sizes: list[int]) -> bytes:
    """Let a client publish payloads of these sizes; return what the broker is to see."""
    for number, size in enumerate(sizes):
        client.publish("t", bytes([number]) * size)
    return b"".join(bytes(each["packet"]) for each in client._out_packet)


@given(SIZES, st.lists(st.integers(0, 2 * SEND_BYTES), max_size=20))
def test_packets_are_sent_whole_and_in_order_however_little_the_kernel_takes(
    sizes: list[int], steps: list[int]
) -> None:
    kernel = Kernel(steps)
    client = paho(kernel)
    expected = publish(client, sizes)
    for _ in range(len(steps) + 1):
        client.loop_write()
    assert kernel.sent == expected
    assert not client.want_write()


@given(SIZES, st.lists(st.integers(0, 2 * READ_BYTES), max_size=20))
def test_packets_are_read_whole_and_in_order_however_little_the_kernel_gives(
    sizes: list[int], steps: list[int]
) -> None:
    kernel = Kernel(steps, publish(paho(Kernel([])), sizes))
    client = paho(kernel)
    heard: list[MQTTMessage] = []
    client.on_message = lambda _client, _data, message: heard.append(message)
    while kernel.arrives:  # the socket is readable
        read_all(client)
    assert [bytes(message.payload) for message in heard] == [
        bytes([number]) * size for number, size in enumerate(sizes)
    ]


def test_many_small_packets_are_a_call_of_the_kernel() -> None:
    kernel = Kernel([])
    client = paho(kernel)
    arrives = publish(client, [100] * 100)
    client.loop_write()
    assert kernel.calls == 1
    kernel = Kernel([], arrives)
    client = paho(kernel)
    read_all(client)
    assert kernel.calls == 1


async def test_a_socket_that_was_read_empty_rests_and_is_then_read_again() -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    read: list[bytes] = []
    loop = RestingLoop(asyncio.get_running_loop())
    with ours, theirs:
        loop.add_reader(ours.fileno(), lambda: read.append(ours.recv(100)))
        theirs.send(b"a")
        while not read:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for part in (b"b", b"c"):
            theirs.send(part)
            for _ in range(3):
                await asyncio.sleep(0)
        while len(read) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert read == [b"a", b"bc"]
        assert loop.remove_reader(ours.fileno())  # while it rests
        assert not loop.remove_reader(ours.fileno())
        theirs.send(b"d")
        await asyncio.sleep(0.03)
        assert read == [b"a", b"bc"]
        loop.add_reader(ours.fileno(), lambda: read.append(ours.recv(1)))
        for _ in range(3):
            theirs.send(b"e")  # as long as there is more, it does not rest
        for _ in range(9):
            await asyncio.sleep(0)
        assert b"".join(read[2:]) == b"deee"
        assert loop.remove_reader(ours.fileno())
