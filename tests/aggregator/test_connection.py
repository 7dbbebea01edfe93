"""What a client may leave unsaid and unread on a connection, and for how long."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from aggregator.api import connection
from aggregator.app import _listen, _server_config
from aggregator.config import HttpConfig
from tests.aggregator.agents import until

LARGE = 6_000_000  # more than the kernel keeps
UPGRADE = (
    b"GET /%b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
PING = b"\x89\xfd" + bytes(4 + 125)  # as long as it may be, masked with nothing
PONG = b"\x8a\x7d" + bytes(125)
HEAD = b"POST /%b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Program:
    """Answers at once, with what it was told, or much; or hears the request out before."""

    def __init__(self) -> None:
        self.heads: list[list[str]] = []
        self.sockets = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            self.sockets += 1
            await send({"type": "websocket.accept"})
            if scope["path"] == "/refused":
                await send({"type": "websocket.close", "code": 1013})
                return
            while (await receive())["type"] != "websocket.disconnect":
                pass
            return
        self.heads.append([name.decode() for name, _ in scope["headers"]])
        if scope["path"] == "/heard":
            while (await receive()).get("more_body"):
                pass
        body = b"x" * LARGE if scope["path"] == "/much" else json.dumps(self.heads).encode()
        head = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})


class Served:
    """A server, and connections to it."""

    def __init__(self, server: uvicorn.Server, port: int, program: Program) -> None:
        self.server = server
        self.port = port
        self.program = program

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)

    @contextlib.contextmanager
    def client(self, kept_bytes: int | None = None) -> Iterator[socket.socket]:
        with socket.socket() as client:
            if kept_bytes is not None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, kept_bytes)
            client.connect(("127.0.0.1", self.port))
            client.settimeout(0)
            yield client


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(connection, "HEAD_S", 0.3)
    monkeypatch.setattr(connection, "UNREAD_S", 0.5)
    async with serving() as served:
        yield served


@asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    http = HttpConfig(port=0)
    program = Program()
    with _listen(http) as listener:
        server = uvicorn.Server(_server_config(program, http))  # type: ignore[arg-type]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=[listener]))
            await until(lambda: server.started)
            yield Served(server, listener.getsockname()[1], program)
            server.should_exit = True


async def said(client: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(client, data)


async def answer(client: socket.socket) -> bytes:
    async with asyncio.timeout(5):
        return await asyncio.get_running_loop().sock_recv(client, 65536)


async def test_what_comes_behind_a_body_is_no_part_of_the_head(served: Served):
    with served.client() as client:
        await said(client, HEAD % b"heard" + b"0\r\nAuthorization: Bearer x\r\n\r\n")
        await answer(client)
        await said(client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await answer(client)
    assert served.program.heads == [["host", "transfer-encoding"], ["host"]]


@pytest.mark.parametrize("path", [b"", b"heard"])
@pytest.mark.parametrize("line", [b"a: b\r\n", b"b"])
async def test_who_goes_on_behind_a_body_is_cut_off(served: Served, path: bytes, line: bytes):
    async def go_on(client: socket.socket) -> None:
        for _ in range(100):
            await said(client, line * (8192 // len(line)))
            await asyncio.sleep(0.001)

    with served.client() as client:
        await said(client, HEAD % path + b"0\r\na: ")
        with pytest.raises(ConnectionError):
            await go_on(client)


async def test_a_request_that_is_answered_before_its_end_has_a_while_for_the_rest(served: Served):
    with served.client() as slow, served.client() as silent:
        for client in (slow, silent):
            await said(client, HEAD % b"" + b"5\r\nab")
            assert b" 200 " in await answer(client)
            await said(client, b"c")
        await asyncio.sleep(0.1)
        await said(slow, b"de\r\n0\r\n\r\n")
        assert await answer(silent) == b""
        await said(slow, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in await answer(slow)


async def test_what_makes_no_sense_behind_an_answer_is_not_answered_again(served: Served):
    with served.client() as client:
        await said(client, HEAD % b"" + b"5\r\nab")
        assert b" 200 " in await answer(client)
        await said(client, b"cde\r\nnonsense\r\n")
        assert await answer(client) == b""


async def test_who_keeps_silent_behind_a_request_that_was_answered_before_its_end_is_sent_away(
    served: Served, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(served.server.config, "timeout_keep_alive", 0.3)
    with served.client() as client:
        await said(client, HEAD % b"" + b"5\r\nab")
        await answer(client)
        await said(client, b"cde\r\n0\r\n\r\n")
        assert await answer(client) == b""


@pytest.mark.parametrize("bound", ["aggregator.api.connection", "aggregator.app"])
@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"])
async def test_who_reads_nothing_is_cut_off_by_us_and_by_the_kernel(
    monkeypatch: pytest.MonkeyPatch, bound: str, last: bytes
):
    monkeypatch.setattr(f"{bound}.UNREAD_S", 0.5)
    async with serving() as served:
        with served.client(2048) as client:
            await said(client, b"GET /much HTTP/1.1\r\nHost: x\r\n%b\r\n" % last * 10)
            await asyncio.sleep(0.1)
            assert served.connections == 1
            await until(lambda: not served.connections)


async def test_who_reads_slowly_is_served(served: Served):
    with served.client(65536) as client:
        await said(client, b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        got = 0
        while got < LARGE:
            piece = await answer(client)
            assert piece
            got += len(piece)
            await asyncio.sleep(0.01)


async def test_no_socket_is_opened_while_an_answer_is_under_way(served: Served):
    with served.client(2048) as client:
        await said(client, b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
        await until(lambda: bool(served.program.heads))
        await said(client, UPGRADE % b"")
        await until(lambda: not served.connections)
    assert not served.program.sockets


async def test_pings_are_answered_to_who_reads_and_who_does_not_is_cut_off(served: Served):
    with served.client() as client, served.client(2048) as deaf:
        for each in (client, deaf):
            await said(each, UPGRADE % b"")
            assert b" 101 " in await answer(each)
        await said(client, PING)
        assert await answer(client) == PONG
        (unread,) = {
            each.transport
            for each in served.server.server_state.connections
            if each.transport.get_extra_info("peername") == deaf.getsockname()
        }
        with contextlib.suppress(ConnectionError):
            for _ in range(300):
                await said(deaf, PING * 500)
                assert unread.get_write_buffer_size() < 200_000
        await until(lambda: served.connections == 1)
        await said(client, PING)
        assert await answer(client) == PONG


async def test_who_is_refused_a_socket_does_not_stay_by_saying_nothing(served: Served):
    with served.client() as client:
        before = asyncio.get_running_loop().time()
        await said(client, UPGRADE % b"refused")
        while await answer(client):
            pass
        assert asyncio.get_running_loop().time() - before < 3
