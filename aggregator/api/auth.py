"""/api/v1/auth: signing in, staying signed in, signing out."""

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.exceptions import SerializationException
from litestar.status_codes import HTTP_200_OK

from aggregator.api.authenticator import TICKET_S, Authenticator, Tokens
from aggregator.api.identity import PUBLIC, ApiRequest, person
from aggregator.errors import InvalidError
from aggregator.shapes import rfc3339
from aggregator.store.users import Role, SessionUser


class Credentials(msgspec.Struct, frozen=True):
    """A sign-in: a username or an e-mail address, and the password."""

    password: str
    username: str | None = None
    email: str | None = None


class UserShape(msgspec.Struct, frozen=True, kw_only=True):
    """A user."""

    id: int
    username: str
    email: str | None
    full_name: str | None
    role: Role
    organization: str
    created_at: str
    last_login: str | None


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens of a session."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105  the name of a scheme
    expires_in: int
    refresh_token: str
    user: UserShape


class RefreshRequest(msgspec.Struct, frozen=True):
    """A refresh token to be traded."""

    refresh_token: str


class Said(msgspec.Struct, frozen=True):
    """A word of confirmation."""

    message: str


class TicketShape(msgspec.Struct, frozen=True):
    """What opens one WebSocket."""

    ticket: str
    expires_in: int


@post("/login", opt=PUBLIC, status_code=HTTP_200_OK)
async def login(request: ApiRequest, authenticator: NamedDependency[Authenticator]) -> SignedIn:
    """Sign in with JSON or with the OAuth2 password form."""
    credentials = await _credentials(request)
    name = credentials.username or credentials.email
    if not name:
        message = "username or email is missing"
        raise InvalidError(message)
    address = request.client.host if request.client else ""
    return _signed_in(await authenticator.sign_in(name, credentials.password, address))


@post("/refresh", opt=PUBLIC, status_code=HTTP_200_OK)
async def refresh(data: RefreshRequest, authenticator: NamedDependency[Authenticator]) -> SignedIn:
    """Trade a refresh token for new tokens; it is good once."""
    return _signed_in(await authenticator.refresh(data.refresh_token))


@post("/logout", status_code=HTTP_200_OK)
async def logout(request: ApiRequest, authenticator: NamedDependency[Authenticator]) -> Said:
    """End this session and revoke its tokens."""
    await authenticator.sign_out(person(request))
    return Said("signed out")


@get("/me")
async def me(request: ApiRequest) -> UserShape:
    """Say who is signed in."""
    return _user_shape(person(request).user)


@post("/ws-ticket", status_code=HTTP_200_OK)
async def ws_ticket(
    request: ApiRequest, authenticator: NamedDependency[Authenticator]
) -> TicketShape:
    """Give a ticket that opens one WebSocket, once and within seconds."""
    return TicketShape(authenticator.ticket(person(request)), TICKET_S)


async def _credentials(request: ApiRequest) -> Credentials:
    try:
        # Told apart by the first character: `curl -d` calls everything a form.
        if (await request.body()).lstrip()[:1] == b"{":
            given: object = await request.json()
        else:
            given = dict(await request.form())
        return msgspec.convert(given, Credentials)
    except (msgspec.ValidationError, SerializationException) as error:
        message = "username and password are expected, as JSON or as a form"
        raise InvalidError(message) from error


def _signed_in(tokens: Tokens) -> SignedIn:
    return SignedIn(
        access_token=tokens.access_token,
        expires_in=tokens.expires_in,
        refresh_token=tokens.refresh_token,
        user=_user_shape(tokens.user),
    )


def _user_shape(user: SessionUser) -> UserShape:
    return UserShape(
        id=user.id,
        username=user.username,
        email=user.email,
        full_name=user.full_name,
        role=user.role,
        organization=user.organization,
        created_at=rfc3339(user.created_ns),
        last_login=None if user.last_login_ns is None else rfc3339(user.last_login_ns),
    )


router = Router("/auth", route_handlers=[login, refresh, logout, me, ws_ticket], tags=["auth"])
