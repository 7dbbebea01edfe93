"""The alert wall with its chat: /alerts, /message and /ws, as its clients have always used them."""

from contextlib import nullcontext
from typing import Annotated, Any

import msgspec
from litestar import Request, Router, get, post, websocket
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK

from aggregator.api.identity import (
    PUBLIC,
    WALL_POSTERS,
    WALL_READERS,
    Guest,
    Identity,
    Machine,
    Person,
    require,
)
from aggregator.api.live import (
    FORBIDDEN,
    AuthMessage,
    Door,
    OverError,
    Socket,
    Visitor,
)
from aggregator.errors import AggregatorError, TooManyAttemptsError
from aggregator.live import LiveFeed, notice
from aggregator.wall import WALL_POST, ChatMessage, Poster, Wall, WallAlert

TRY_AGAIN_LATER = 1013

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Place = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]

WallRequest = Request[Identity | Guest, Any, Any]


class AlertGiven(msgspec.Struct, frozen=True):
    """An alert to be posted."""

    message: Text
    location: Place


class ChatGiven(msgspec.Struct, frozen=True):
    """A message for the chat."""

    sender: Name
    message: Text


class AlertHistory(msgspec.Struct, frozen=True):
    """The last ten alerts, oldest first."""

    alerts: list[WallAlert]
    count: int


class ChatHistory(msgspec.Struct, frozen=True, rename="camel"):
    """The last ten messages, oldest first."""

    chat_messages: list[ChatMessage]
    count: int


@post("/alerts", opt=WALL_POSTERS, status_code=HTTP_200_OK)
async def post_alert(
    request: WallRequest, data: AlertGiven, wall: NamedDependency[Wall]
) -> WallAlert:
    """Post an alert on the wall."""
    return await wall.post_alert(_poster(request.user, request), data.message, data.location)


@get("/alerts/history", opt=WALL_READERS)
async def alert_history(request: WallRequest, wall: NamedDependency[Wall]) -> AlertHistory:
    """Return the last ten alerts of the wall."""
    alerts = await wall.alerts(request.user.organization)
    return AlertHistory(alerts, len(alerts))


@post("/message", opt=WALL_POSTERS, status_code=HTTP_200_OK)
async def post_message(
    request: WallRequest, data: ChatGiven, wall: NamedDependency[Wall]
) -> ChatMessage:
    """Say something in the chat of the wall."""
    return await wall.post_chat(_poster(request.user, request), data.sender, data.message)


@get("/message", opt=WALL_READERS)
async def message_history(request: WallRequest, wall: NamedDependency[Wall]) -> ChatHistory:
    """Return the last ten messages of the chat."""
    messages = await wall.chat(request.user.organization)
    return ChatHistory(messages, len(messages))


@websocket("/ws", opt=PUBLIC | WALL_READERS)
async def watch_wall(
    socket: Socket,
    door: NamedDependency[Door],
    live: NamedDependency[LiveFeed],
    wall: NamedDependency[Wall],
) -> None:
    """Send what is posted; what a client says is told to all."""
    visitor = await door.enter(socket)
    if visitor is None:
        return
    talk = _Talk(socket, door, wall, visitor)
    kinds = frozenset({WALL_POST})
    try:
        with (
            wall.guest() if isinstance(visitor.who, Guest) else nullcontext(),
            live.watch(visitor.organization, kinds, bare=True) as watcher,
        ):
            await door.serve(socket, visitor, watcher, take=talk.take)
    except TooManyAttemptsError:
        await socket.close(code=TRY_AGAIN_LATER)


class _Talk:
    """What one client of the wall says."""

    def __init__(self, socket: Socket, door: Door, wall: Wall, visitor: Visitor) -> None:
        self._socket = socket
        self._door = door
        self._wall = wall
        self._who = visitor.who

    async def take(self, text: str) -> None:
        """Post it, or say why not."""
        try:
            await self._post(msgspec.json.decode(text, type=ChatGiven))
        except (msgspec.MsgspecError, RecursionError):
            await self._sign_in(text)
        except AggregatorError as error:
            await self._refuse(str(error))

    async def _post(self, said: ChatGiven) -> None:
        if not isinstance(self._who, Guest):
            require(self._who, WALL_POSTERS, {})
        poster = _poster(self._who, self._socket)
        await self._wall.post_chat(poster, said.sender, said.message)

    async def _sign_in(self, text: str) -> None:
        """Let a guest say who they are after all, as other sockets want it first."""
        try:
            token = msgspec.json.decode(text, type=AuthMessage).token
        except (msgspec.MsgspecError, RecursionError):
            await self._refuse("expected: sender (text) and message (text)")
            return
        who = await self._door.identify(token)
        if isinstance(who, Machine) or who.organization != self._who.organization:
            raise OverError(FORBIDDEN)
        self._who = who

    async def _refuse(self, why: str) -> None:
        await self._socket.send_data(notice("error", message=why), mode="text")


def _poster(who: Identity | Guest, connection: ASGIConnection[Any, Any, Any, Any]) -> Poster:
    address = connection.client.host if connection.client else ""
    user_id = who.user.id if isinstance(who, Person) else None
    return Poster(who.organization, address, user_id)


router = Router(
    "/",
    route_handlers=[post_alert, alert_history, post_message, message_history, watch_wall],
    tags=["wall"],
)
