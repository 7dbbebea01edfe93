"""/api/v1/ws, and what every WebSocket shares: who opens it, sending, hearing, the end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import msgspec
from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import WebsocketRouteHandler

from aggregator.api.authenticator import Authenticator
from aggregator.api.identity import (
    PUBLIC,
    Guest,
    Identity,
    Machine,
    Person,
    address_of,
    bearer_token,
    origin_allowed,
)
from aggregator.api.places import Places
from aggregator.config import HttpConfig
from aggregator.errors import TooManyAttemptsError, UnauthenticatedError
from aggregator.live import KINDS, LiveFeed, Watcher

INVALID = 4400
UNAUTHENTICATED = 4401
FORBIDDEN = 4403
TRY_AGAIN_LATER = 1013
FIRST_MESSAGE_S = 5.0
CHECK_S = 3.0
ALIKE_S = 0.25  # who is looked at within so long is looked at in one moment, with one question
SUBPROTOCOL = "bearer"

Socket = WebSocket[Any, Any, Any]
Take = Callable[[str], Awaitable[None]]


class AuthMessage(msgspec.Struct, frozen=True, tag="auth", tag_field="type"):
    """What a client says first when it could not say it earlier."""

    token: str


class Chosen(msgspec.Struct, frozen=True):
    """What a client wants of a feed; read once it is let in, since only then it hears what is wrong."""

    since: Annotated[int, msgspec.Meta(ge=0)] | None = None
    batch: bool = False


class OverError(Exception):
    """The connection ends, with this code; None where the client has left."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


class Visitor(msgspec.Struct):
    """Who is at a socket, and the token they showed, if they showed one; a guest may do so later."""

    who: Identity | Guest
    token: str = ""

    @property
    def organization(self) -> str:
        """Whose events they see."""
        return self.who.organization


class Door:
    """Where sockets come in: who may, what they are given, and when they have to go.

    Args:
        authenticator: Knows who is who.
        http: Says whose pages may open sockets.
        guests: The places that are open, and who enters there without a token.
    """

    def __init__(
        self, authenticator: Authenticator, http: HttpConfig, guests: Mapping[str, Guest]
    ) -> None:
        self._authenticator = authenticator
        self._http = http
        self._guests = guests
        self._places = Places()

    async def enter(self, socket: Socket) -> Visitor | None:
        """Accept a socket and return who opened it; None when it was closed instead."""
        if not origin_allowed(socket, self._http.allowed_origins):
            await socket.close(code=FORBIDDEN)
            return None
        offered = [name.strip() for name in _header(socket, "sec-websocket-protocol").split(",")]
        await socket.accept(subprotocols=SUBPROTOCOL if SUBPROTOCOL in offered else None)
        try:
            self._places.come_in(address_of(socket))
            visitor = await self._credentials(socket, offered)
            self._places.sit_down(visitor.who)
        except (UnauthenticatedError, TimeoutError):
            await socket.close(code=UNAUTHENTICATED)
        except TooManyAttemptsError as error:
            await socket.close(code=TRY_AGAIN_LATER, reason=str(error))
        except WebSocketDisconnect:
            pass
        else:
            return visitor
        return None

    async def serve(
        self,
        socket: Socket,
        visitor: Visitor,
        watcher: Watcher | None = None,
        *,
        take: Take | None = None,
        batch: bool = False,
    ) -> None:
        """Send what happens and hear what is said until one of us goes.

        Args:
            socket: The socket.
            visitor: Who opened it.
            watcher: What is sent; None: nothing.
            take: What is done with what is said; None: nothing.
            batch: Whether events are sent as arrays, as they gathered.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                if watcher is not None:
                    tasks.create_task(_send(socket, watcher, batch=batch), name="ws-send")
                tasks.create_task(_hear(socket, take), name="ws-hear")
                tasks.create_task(self._check(socket, visitor), name="ws-check")
        except* (OverError, WebSocketDisconnect) as group:
            codes = [error.code for error in group.exceptions if isinstance(error, OverError)]
            if codes and codes[0] is not None:
                await socket.close(code=codes[0])

    async def identify(self, socket: Socket, token: str) -> Identity:
        """Return who holds a token that opens this socket.

        Raises:
            OverError: Nobody.
        """
        try:
            return await self._identify(socket, token)
        except UnauthenticatedError as error:
            raise OverError(UNAUTHENTICATED) from error

    async def by_now(self, who: Identity | Guest) -> Identity | Guest:
        """Return who somebody is by now: the role may be another since the socket was opened.

        Raises:
            OverError: What they showed is over.
        """
        if not isinstance(who, Person):
            return who
        renewed = await self._authenticator.renewed(who)
        if renewed is None:
            raise OverError(UNAUTHENTICATED)
        return renewed

    async def _check(self, socket: Socket, visitor: Visitor) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(CHECK_S - clock() % ALIKE_S)
            match visitor.who:
                case Machine():
                    await self.identify(socket, visitor.token)
                case Person() as who:
                    await self.by_now(who)
                case Guest():  # who may sign in meanwhile
                    pass

    async def _credentials(self, socket: Socket, offered: list[str]) -> Visitor:
        ticket = socket.query_params.get("ticket")
        if ticket is not None:
            return Visitor(await self._authenticator.redeem(ticket))
        shown = socket.query_params.get("token")
        if shown is not None:
            return Visitor(await self._authenticator.identify_stream(shown))
        token = bearer_token(_header(socket, "authorization"))
        if token is None and SUBPROTOCOL in offered:
            token = next((name for name in offered if name != SUBPROTOCOL), None)
        guest = self._guests.get(socket.route_handler.opt.get("place", ""))
        if token is None and guest is not None:
            return Visitor(guest)
        if token is None:
            token = await _first_message(socket)
        return Visitor(await self._identify(socket, token), token)

    async def _identify(self, socket: Socket, token: str) -> Identity:
        who = await self._authenticator.identify(token)
        if isinstance(who, Machine) and not socket.route_handler.opt.get("own_device"):
            message = "a device's key opens no live feed"
            raise UnauthenticatedError(message)
        return who


@websocket("/ws", opt=PUBLIC)
async def watch(
    socket: Socket, door: NamedDependency[Door], live: NamedDependency[LiveFeed]
) -> None:
    """Send events of the caller's organization until one of us goes."""
    await _watch(socket, door, live, _wanted(socket.query_params.get("types")))


def _wanted(types: str | None) -> frozenset[str] | None:
    # Only what there is: each choice is gathered by itself, and clients could make up any number.
    return frozenset(types.split(",")).intersection(KINDS) if types else None


async def _watch_kinds(
    socket: Socket, door: NamedDependency[Door], live: NamedDependency[LiveFeed]
) -> None:
    """Send the events of the kinds that the route is for."""
    await _watch(socket, door, live, socket.route_handler.opt["kinds"])


def _socket_of(path: str, *kinds: str) -> WebsocketRouteHandler:
    return websocket(path, opt=PUBLIC | {"kinds": frozenset(kinds)})(_watch_kinds)


watch_readings = _socket_of("/ws/live-data", "readings")
watch_presence = _socket_of("/ws/device-status", "presence")
watch_alerts = _socket_of("/ws/alerts", "new_alert", "alert_updated")


async def _watch(socket: Socket, door: Door, live: LiveFeed, kinds: frozenset[str] | None) -> None:
    visitor = await door.enter(socket)
    if visitor is None:
        return
    try:
        chosen = msgspec.convert(dict(socket.query_params), Chosen, strict=False)
    except msgspec.ValidationError as error:
        await socket.close(code=INVALID, reason=str(error))
        return
    with live.watch(visitor.organization, kinds, chosen.since) as watcher:
        await door.serve(socket, visitor, watcher, batch=chosen.batch)


async def _send(socket: Socket, watcher: Watcher, *, batch: bool) -> None:
    while True:
        if batch:
            await socket.send_data(await watcher.take_array(), mode="text")
        else:
            for event in await watcher.take():
                await socket.send_data(event, mode="text")


async def _hear(socket: Socket, take: Take | None) -> None:
    # A client that goes is noticed only by listening.
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise OverError(None)
        if take is not None:
            await take(str(message.get("text") or ""))


async def _first_message(socket: Socket) -> str:
    async with asyncio.timeout(FIRST_MESSAGE_S):
        data = await socket.receive_data(mode="text")
    try:
        return msgspec.json.decode(data, type=AuthMessage).token
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = "the first message carries no token"
        raise UnauthenticatedError(message) from error


def _header(socket: Socket, name: str) -> str:
    return str(socket.headers.get(name, ""))
