"""/api/v1/auth: signing in, staying signed in, signing out."""

import time

import msgspec
from litestar import Router, get, post, put
from litestar.di import NamedDependency
from litestar.exceptions import SerializationException
from litestar.status_codes import HTTP_200_OK

from aggregator.api.authenticator import TICKET_S, Authenticator, Origin, Tokens
from aggregator.api.description import SignIn
from aggregator.api.identity import EVEN_OVER_PLAN, PUBLIC, SESSION, ApiRequest, address_of, person
from aggregator.api.passwords import check_password
from aggregator.errors import ForbiddenError, InvalidError, UnauthenticatedError
from aggregator.shapes import UserShape, user_shape
from aggregator.store.audit import audit
from aggregator.store.database import Database
from aggregator.store.devices import Added
from aggregator.store.tokens import sign_out_everywhere
from aggregator.store.users import set_password


class Credentials(msgspec.Struct, frozen=True):
    """A sign-in: a username or an e-mail address, and the password."""

    password: str
    username: str | None = None
    email: str | None = None


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


class PasswordChange(msgspec.Struct, frozen=True):
    """One's own password: the one of now, and the one from now on."""

    current_password: str
    new_password: str


class TicketShape(msgspec.Struct, frozen=True):
    """What opens one WebSocket."""

    ticket: str
    expires_in: int


@post("/login", opt=PUBLIC, status_code=HTTP_200_OK, operation_class=SignIn)
async def login(request: ApiRequest, authenticator: NamedDependency[Authenticator]) -> SignedIn:
    """Sign in with JSON or with the OAuth2 password form."""
    credentials = await _credentials(request)
    name = credentials.username or credentials.email
    if not name:
        message = "username or email is missing"
        raise InvalidError(message)
    origin = Origin(address_of(request), request.headers.get("user-agent", ""))
    return _signed_in(await authenticator.sign_in(name, credentials.password, origin))


@post("/refresh", opt=PUBLIC, status_code=HTTP_200_OK)
async def refresh(
    request: ApiRequest, data: RefreshRequest, authenticator: NamedDependency[Authenticator]
) -> SignedIn:
    """Trade a refresh token for new tokens; it is good once."""
    return _signed_in(await authenticator.refresh(data.refresh_token, address_of(request)))


@post("/logout", opt=SESSION, status_code=HTTP_200_OK)
async def logout(request: ApiRequest, authenticator: NamedDependency[Authenticator]) -> Said:
    """End this session and revoke its tokens."""
    await authenticator.sign_out(person(request))
    return Said("signed out")


@get("/me")
async def me(request: ApiRequest) -> UserShape:
    """Say who is signed in."""
    return user_shape(person(request).user)


@put("/password", opt=SESSION)
async def change_password(
    request: ApiRequest,
    data: PasswordChange,
    database: NamedDependency[Database],
    authenticator: NamedDependency[Authenticator],
) -> Said:
    """Change one's own password; every session and token ends, this one as well."""
    who = person(request).user
    try:
        await authenticator.check_password(who.username, data.current_password, who.address)
    except UnauthenticatedError as error:  # who asks is known: a client must not sign in again
        message = "the current password is wrong"
        raise ForbiddenError(message) from error
    check_password(data.new_password, who.username, who.email)
    password_hash = await authenticator.passwords.hash(data.new_password)
    now_ns = time.time_ns()
    await database.change(
        Added,
        set_password(who.organization, who.id, password_hash),
        *sign_out_everywhere(who.organization, who.id, now_ns),
        audit(who, "user.change_password", who.username, now_ns=now_ns),
    )
    return Said("the password is changed: sign in again")


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
    except (msgspec.ValidationError, SerializationException, LookupError) as error:
        # The last: a part of a form is in an encoding that nobody knows.
        message = "username and password are expected, as JSON or as a form"
        raise InvalidError(message) from error


def _signed_in(tokens: Tokens) -> SignedIn:
    return SignedIn(
        access_token=tokens.access_token,
        expires_in=tokens.expires_in,
        refresh_token=tokens.refresh_token,
        user=user_shape(tokens.user),
    )


router = Router(
    "/auth",
    route_handlers=[login, refresh, logout, me, change_password, ws_ticket],
    tags=["auth"],
    opt=EVEN_OVER_PLAN,
)
