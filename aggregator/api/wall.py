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
    Person,
    require,
)
from aggregator.api.intake import Intake
from aggregator.api.live import (
    TRY_AGAIN_LATER,
    Door,
    Socket,
)
from aggregator.api.talk import Talk
from aggregator.errors import TooManyAttemptsError
from aggregator.live import LiveFeed
from aggregator.wall import WALL_POST, ChatMessage, Poster, Wall, WallAlert

EXPECTED = "expected: sender (text) and message (text)"

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Place = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]

WallRequest = Request[Identity | Guest, Any, Any]


class WallAlertGiven(msgspec.Struct, frozen=True):
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
    request: WallRequest, data: WallAlertGiven, wall: NamedDependency[Wall]
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
    intake: NamedDependency[Intake],
) -> None:
    """Send what is posted; what a client says is told to all."""
    visitor = await door.enter(socket)
    if visitor is None:
        return

    async def post(said: ChatGiven, who: Identity | Guest) -> None:
        if not isinstance(who, Guest):
            require(who, WALL_POSTERS, {})
        intake.check_room()
        await wall.post_chat(_poster(who, socket), said.sender, said.message)

    talk = Talk(socket, door, visitor, kind=ChatGiven, act=post, expected=EXPECTED)
    kinds = frozenset({WALL_POST})
    try:
        with (
            wall.guest() if isinstance(visitor.who, Guest) else nullcontext(),
            live.watch(visitor.organization, kinds, bare=True) as watcher,
        ):
            await door.serve(socket, visitor, watcher, take=talk.take)
    except TooManyAttemptsError:
        await socket.close(code=TRY_AGAIN_LATER)


def _poster(who: Identity | Guest, connection: ASGIConnection[Any, Any, Any, Any]) -> Poster:
    address = connection.client.host if connection.client else ""
    if isinstance(who, Person):
        return Poster(who.organization, address, who.user.id, who.user.username)
    return Poster(who.organization, address)


router = Router(
    "/",
    route_handlers=[post_alert, alert_history, post_message, message_history, watch_wall],
    tags=["wall"],
)
