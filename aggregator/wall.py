"""The alert wall and its chat: what is posted is kept, and told to everybody who looks at it."""

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, TypeVar

import msgspec

from aggregator.errors import TooManyAttemptsError
from aggregator.live import LiveFeed
from aggregator.pace import Pace
from aggregator.shapes import rfc3339
from aggregator.store.audit import audit
from aggregator.store.database import Database, Statement
from aggregator.store.wall_posts import PostType, WallPost, add_wall_post, last_wall_posts

WALL_POST: Final = "wall_post"  # the type of its events on the live feed
SHOWN = 10
MAX_GUESTS = 200  # who look at it at the same time
DEMO_PERIOD_S = 10.0
DEMO_ALERTS = (
    ("Intruder detected", "North Gate"),
    ("Door held open", "Server room"),
    ("Camera does not answer", "Parking deck"),
    ("Unknown device on the network", "Workshop"),
)


S = TypeVar("S", bound="WallAlert | ChatMessage")


class WallAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that somebody posted."""

    id: str
    timestamp: str
    type: Literal["alert"] = "alert"
    message: str
    location: str


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said."""

    id: str
    timestamp: str
    type: Literal["chat"] = "chat"
    sender: str
    message: str


class Poster(msgspec.Struct, frozen=True):
    """Who posts: a user, or a guest at an address."""

    organization: str
    address: str
    id: int | None = None  # of the user
    username: str = ""


class Wall:
    """Keeps posts and tells them; nobody posts faster than people do.

    Args:
        database: Where they are kept.
        live: Who tells them.
    """

    def __init__(self, database: Database, live: LiveFeed) -> None:
        self._database = database
        self._live = live
        self._each = Pace(burst=60, per_s=2.0)
        self._all_guests = Pace(burst=300, per_s=20.0)
        self._guests = 0

    @contextmanager
    def guest(self) -> Iterator[None]:
        """Let a guest look at the wall for the length of the block.

        Raises:
            TooManyAttemptsError: There are as many as may be.
        """
        if self._guests >= MAX_GUESTS:
            message = "too many guests look at the wall"
            raise TooManyAttemptsError(message, retry_after_s=60)
        self._guests += 1
        try:
            yield
        finally:
            self._guests -= 1

    async def post_alert(self, poster: Poster, message: str, location: str) -> WallAlert:
        """Post an alert.

        Raises:
            TooManyAttemptsError: They post faster than people do.
        """
        return await self._keep(poster, _post("alert", None, message, location), _alert)

    async def post_chat(self, poster: Poster, sender: str, message: str) -> ChatMessage:
        """Post a message of the chat.

        Raises:
            TooManyAttemptsError: They post faster than people do.
        """
        return await self._keep(poster, _post("chat", sender, message, None), _chat)

    async def alerts(self, organization: str) -> list[WallAlert]:
        """Return the last alerts, oldest first."""
        posts = await last_wall_posts(self._database, organization, "alert", SHOWN)
        return [_alert(post) for post in reversed(posts)]

    async def chat(self, organization: str) -> list[ChatMessage]:
        """Return the last messages of the chat, oldest first."""
        posts = await last_wall_posts(self._database, organization, "chat", SHOWN)
        return [_chat(post) for post in reversed(posts)]

    async def make_up_alerts(self, organization: str) -> None:
        """Post an alert every ten seconds, for ever."""
        demonstration = Poster(organization, address="")
        for message, location in itertools.cycle(DEMO_ALERTS):
            await asyncio.sleep(DEMO_PERIOD_S)
            await self.post_alert(demonstration, message, location)

    async def _keep(self, poster: Poster, post: WallPost, shape_of: Callable[[WallPost], S]) -> S:
        self._take_turn(poster)
        noted = [] if poster.id is None else [_noted(poster, post)]
        await self._database.write(*add_wall_post(poster.organization, post, poster.id), *noted)
        shape = shape_of(post)
        self._live.publish(poster.organization, WALL_POST, shape)
        return shape

    def _take_turn(self, poster: Poster) -> None:
        if poster.id is not None:
            self._each.take(str(poster.id))
            return
        self._each.take(poster.address)
        if poster.address:
            self._all_guests.take("")


def _post(kind: PostType, sender: str | None, message: str, location: str | None) -> WallPost:
    return WallPost(str(uuid.uuid4()), kind, sender, message, location, time.time_ns())


def _noted(poster: Poster, post: WallPost) -> Statement:
    """Return the audit of a user's post: anybody may call themselves a sender."""
    said = {"type": post.type, "sender": post.sender, "message": post.message}
    return audit(poster, "wall.post", post.id, now_ns=post.posted_ns, after=said)


def _alert(post: WallPost) -> WallAlert:
    return WallAlert(
        id=post.id,
        timestamp=rfc3339(post.posted_ns),
        message=post.message,
        location=post.location or "",
    )


def _chat(post: WallPost) -> ChatMessage:
    return ChatMessage(
        id=post.id,
        timestamp=rfc3339(post.posted_ns),
        sender=post.sender or "",
        message=post.message,
    )
