"""/api/v1/ws: what happens, as it happens."""

import asyncio
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.exceptions import WebSocketDisconnect
from litestar.params import Parameter

from aggregator.api.authenticator import Authenticator
from aggregator.api.identity import PUBLIC, Person, bearer_token
from aggregator.config import HttpConfig
from aggregator.errors import UnauthenticatedError
from aggregator.live import LiveFeed, Watcher

UNAUTHENTICATED = 4401
FORBIDDEN = 4403
FIRST_MESSAGE_S = 5.0
CHECK_S = 3.0
BATCH_S = 0.1
SUBPROTOCOL = "bearer"

Socket = WebSocket[Any, Any, Any]


class AuthMessage(msgspec.Struct, frozen=True, tag="auth", tag_field="type"):
    """What a client says first when it could not say it earlier."""

    token: str


class Shown(msgspec.Struct, frozen=True):
    """What an address shows: a ticket, or a stream token."""

    ticket: str | None
    token: str | None


class _OverError(Exception):
    """The connection ends, with this code; None where the client has left."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


@websocket("/ws", opt=PUBLIC)
async def watch(  # noqa: PLR0913  one parameter for each thing a client chooses
    socket: Socket,
    authenticator: NamedDependency[Authenticator],
    live: NamedDependency[LiveFeed],
    http: NamedDependency[HttpConfig],
    *,
    types: str | None = None,
    since: Annotated[int | None, Parameter(ge=0)] = None,
    batch: bool = False,
    ticket: str | None = None,
    token: str | None = None,
) -> None:
    """Send events of the caller's organization until one of us goes."""
    if not origin_allowed(socket, http.allowed_origins):
        await socket.close(code=FORBIDDEN)
        return
    offered = [name.strip() for name in _header(socket, "sec-websocket-protocol").split(",")]
    await socket.accept(subprotocols=SUBPROTOCOL if SUBPROTOCOL in offered else None)
    try:
        who = await _credentials(socket, authenticator, offered, Shown(ticket, token))
    except (UnauthenticatedError, TimeoutError):
        await socket.close(code=UNAUTHENTICATED)
        return
    except WebSocketDisconnect:
        return
    wanted = frozenset(filter(None, types.split(","))) if types else None
    with live.watch(who.organization, wanted, since) as watcher:
        await _serve(socket, authenticator, who, watcher, batch=batch)


async def _serve(
    socket: Socket, authenticator: Authenticator, who: Person, watcher: Watcher, *, batch: bool
) -> None:
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_send(socket, watcher, batch=batch), name="ws-send")
            tasks.create_task(_receive(socket), name="ws-receive")
            tasks.create_task(_check(authenticator, who), name="ws-check")
    except* (_OverError, WebSocketDisconnect) as group:
        codes = [error.code for error in group.exceptions if isinstance(error, _OverError)]
        if codes and codes[0] is not None:
            await socket.close(code=codes[0])


async def _send(socket: Socket, watcher: Watcher, *, batch: bool) -> None:
    while True:
        events = await watcher.take()
        if batch:
            await socket.send_data(b"[" + b",".join(events) + b"]", mode="text")
            await asyncio.sleep(BATCH_S)
        else:
            for event in events:
                await socket.send_data(event, mode="text")


async def _receive(socket: Socket) -> None:
    # Nothing is expected, but a client that goes is noticed only by listening.
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise _OverError(None)


async def _check(authenticator: Authenticator, who: Person) -> None:
    while True:
        await asyncio.sleep(CHECK_S)
        if not await authenticator.still(who):
            raise _OverError(UNAUTHENTICATED)


async def _credentials(
    socket: Socket, authenticator: Authenticator, offered: list[str], shown: Shown
) -> Person:
    if shown.ticket is not None:
        return await authenticator.redeem(shown.ticket)
    if shown.token is not None:
        return await authenticator.identify_stream(shown.token)
    token = bearer_token(_header(socket, "authorization"))
    if token is None and SUBPROTOCOL in offered:
        token = next((name for name in offered if name != SUBPROTOCOL), None)
    if token is None:
        token = await _first_message(socket)
    who = await authenticator.identify(token)
    if isinstance(who, Person):
        return who
    message = "a device's key opens no live feed"
    raise UnauthenticatedError(message)


async def _first_message(socket: Socket) -> str:
    async with asyncio.timeout(FIRST_MESSAGE_S):
        data = await socket.receive_data(mode="text")
    try:
        return msgspec.json.decode(data, type=AuthMessage).token
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = "the first message carries no token"
        raise UnauthenticatedError(message) from error


def origin_allowed(socket: Socket, allowed: tuple[str, ...]) -> bool:
    """Return whether the page that opens a socket may: our own, or one that is allowed.

    Programs send no Origin; browsers always do, and pages cannot change it.
    """
    origin = _header(socket, "origin")
    if not origin or "*" in allowed or origin in allowed:
        return True
    return urlsplit(origin).netloc == _header(socket, "host")


def _header(socket: Socket, name: str) -> str:
    return str(socket.headers.get(name, ""))
