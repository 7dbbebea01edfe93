"""Who asks, and whether they may: one guard for every route, which lets nobody in by default."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from litestar import HttpMethod, Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from aggregator.errors import ForbiddenError, UnauthenticatedError
from aggregator.store.devices import KeyOwner
from aggregator.store.users import Role, SessionUser

RANKS: Final[dict[Role, int]] = {"viewer": 0, "analyst": 1, "operator": 2, "admin": 3}
# Roles that act on devices, and on people: giving one away takes a code of who has an authenticator.
ACTING: Final[frozenset[Role]] = frozenset({"operator", "admin"})

# What a route says in `opt`; a route that says nothing is for every signed-in person.
PUBLIC: Final = {"public": True}
ANALYST: Final = {"role": "analyst"}
OPERATOR: Final = {"role": "operator"}
ADMIN: Final = {"role": "admin"}
STORES: Final = {"stores": True}  # keeps, or copies, what is large: closed while the disk is full
WALL_READERS: Final = {"place": "wall"}  # places may be open to guests, by setting
WALL_POSTERS: Final = {
    "place": "wall",
    "role": "analyst",
    "stores": True,
    "errors": (HTTPStatus.TOO_MANY_REQUESTS,),  # beside those that every such route has
}
OPERATOR_OR_DEVICE: Final = {"role": "operator", "own_device": True}
SESSION: Final = {"session": True}  # who signed in with a password; a program's token does not do
DEVICE_EVENT_READERS: Final = {"place": "device_events"}
DEVICE_EVENT_TELLERS: Final = {"place": "device_events", "role": "operator", "own_device": True}


class Person(msgspec.Struct, frozen=True):
    """A user who is signed in, or a program that shows a token of theirs."""

    user: SessionUser
    session_id: str | None = None
    token_id: int | None = None
    expires_s: int | None = None  # of the access token, since 1970; None: another was shown

    @property
    def organization(self) -> str:
        """Whose rows they see."""
        return self.user.organization


class Machine(msgspec.Struct, frozen=True):
    """A device that showed its API key."""

    owner: KeyOwner

    @property
    def organization(self) -> str:
        """Whose rows it belongs to."""
        return self.owner.organization


class Guest(msgspec.Struct, frozen=True):
    """Somebody who shows no token where a setting opens a place to such."""

    organization: str


# Routes without which somebody would stay cut off, or could not see why: no plan bounds them.
EVEN_OVER_PLAN: Final = {"even_over_plan": True}

Identity = Person | Machine
ApiRequest = Request[Identity, Any, Any]


def bearer_token(authorization: str | None) -> str | None:
    """Return the token of an Authorization header, if it carries one."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Return the network address that asks."""
    return connection.client.host if connection.client else ""


async def authorize(
    connection: ASGIConnection[Any, Any, Any, Any], route: BaseRouteHandler
) -> None:
    """Let nobody pass who is unknown or may not use a route.

    Raises:
        UnauthenticatedError: Who asks is not known.
        ForbiddenError: Who asks may not.
        TooManyAttemptsError: Their organization's plan allows no more calls this month.
    """
    if route.opt.get("public") or connection.scope.get("method") == HttpMethod.OPTIONS:
        return
    token = bearer_token(connection.headers.get("authorization"))
    guest = connection.app.state.guests.get(route.opt.get("place"))
    if token is None and guest is not None:
        _receive(connection, guest)
        return
    if token is None:
        message = "sign in first: an Authorization header with a bearer token is missing"
        raise UnauthenticatedError(message)
    identity = await connection.app.state.authenticator.identify(token, address_of(connection))
    require(identity, route.opt, connection.path_params)
    bounded = isinstance(identity, Person) and not route.opt.get("even_over_plan")
    await connection.app.state.calls.count(identity.organization, bounded=bounded)
    connection.scope["user"] = identity


def _receive(connection: ASGIConnection[Any, Any, Any, Any], guest: Guest) -> None:
    # Nothing but its Origin tells a guest's request from one that a page elsewhere sends.
    if not origin_allowed(connection, connection.app.state.allowed_origins):
        message = "pages of other hosts may not do this"
        raise ForbiddenError(message)
    connection.scope["user"] = guest


def origin_allowed(
    connection: ASGIConnection[Any, Any, Any, Any], allowed: tuple[str, ...]
) -> bool:
    """Return whether the page that asks may: our own, or one that is allowed.

    Programs send no Origin; browsers do wherever it matters, and pages cannot change it.
    """
    origin = str(connection.headers.get("origin", ""))
    host = str(connection.headers.get("host", ""))
    if not origin or "*" in allowed or origin in allowed:
        return True
    return urlsplit(origin).netloc == host


def require(identity: Identity, opt: Mapping[str, Any], path: Mapping[str, Any]) -> None:
    """Let nobody pass who may not do what `opt` stands for.

    Raises:
        ForbiddenError: They may not.
    """
    if isinstance(identity, Machine):
        if opt.get("own_device") and path.get("device_id") == identity.owner.device_id:
            return
        message = "a device's key opens only what that device reports about itself"
        raise ForbiddenError(message)
    wanted: Role = opt.get("role", "viewer")
    if RANKS[identity.user.role] < RANKS[wanted]:
        message = f"this needs the role {wanted} or higher"
        raise ForbiddenError(message)
    if opt.get("session") and identity.session_id is None:
        message = "this needs a sign-in with a password: a token does not do"
        raise ForbiddenError(message)


def person(request: ApiRequest) -> Person:
    """Return the person who asks.

    Raises:
        ForbiddenError: A device asks.
    """
    if isinstance(request.user, Person):
        return request.user
    message = "this is for people"
    raise ForbiddenError(message)
