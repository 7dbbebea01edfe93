"""What clients say on sockets: messages of one kind, and who they are."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

from aggregator.api.identity import Guest, Identity
from aggregator.api.live import FORBIDDEN, AuthMessage, Door, OverError, Socket, Visitor
from aggregator.errors import AggregatorError
from aggregator.live import notice

S = TypeVar("S", bound=msgspec.Struct)


class Talk(Generic[S]):
    """Takes what one client says, and answers what cannot be taken.

    Args:
        socket: The client's socket.
        door: Where it came in.
        visitor: Who it is.
        kind: What it may say.
        act: Does what is said, for whoever says it.
        expected: What is answered to anything else.
    """

    def __init__(  # noqa: PLR0913  what a conversation is made of
        self,
        socket: Socket,
        door: Door,
        visitor: Visitor,
        *,
        kind: type[S],
        act: Callable[[S, Identity | Guest], Awaitable[None]],
        expected: str,
    ) -> None:
        self._socket = socket
        self._door = door
        self._visitor = visitor
        self._kind = kind
        self._act = act
        self._expected = expected

    async def take(self, text: str) -> None:
        """Do what is said, or answer why not."""
        try:
            said = msgspec.json.decode(text, type=self._kind)
        except (msgspec.MsgspecError, RecursionError):
            await self._sign_in(text)
            return
        try:
            who = await self._door.by_now(self._visitor.who)
            await self._act(said, who)
        except AggregatorError as error:
            await self._refuse(str(error))

    async def _sign_in(self, text: str) -> None:
        """Let a guest say who they are after all, as other sockets want it first."""
        try:
            token = msgspec.json.decode(text, type=AuthMessage).token
        except (msgspec.MsgspecError, RecursionError):
            await self._refuse(self._expected)
            return
        who = await self._door.identify(self._socket, token)
        if who.organization != self._visitor.organization:
            raise OverError(FORBIDDEN)
        # From now on the socket holds as long as what was shown, as others do.
        self._visitor.who, self._visitor.token = who, token

    async def _refuse(self, why: str) -> None:
        await self._socket.send_data(notice("error", message=why), mode="text")
