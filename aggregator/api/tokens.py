"""/api/v1/auth/tokens: what programs show instead of a password, and what opens a live feed."""

import time
from typing import Annotated

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency

from aggregator.api.authenticator import API_TOKEN_PREFIX, STREAM_TOKEN_PREFIX, new_secret
from aggregator.api.identity import RANKS, SESSION, ApiRequest, Person, person
from aggregator.api.paging import Limit, RowId, Skip, paged
from aggregator.errors import ConflictError, ForbiddenError, NotFoundError
from aggregator.shapes import NS_PER_S, maybe_rfc3339, rfc3339
from aggregator.store.audit import audit
from aggregator.store.database import Database
from aggregator.store.devices import Added, Page
from aggregator.store.tokens import (
    NewToken,
    TokenKind,
    TokenRow,
    add_token,
    count_tokens_of,
    delete_token,
    forget_tokens,
    tokens_of,
)
from aggregator.store.users import Role

DAY_S = 24 * 3600
PREFIXES: dict[TokenKind, str] = {"api": API_TOKEN_PREFIX, "stream": STREAM_TOKEN_PREFIX}

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Life = Annotated[int, msgspec.Meta(ge=60, le=366 * DAY_S)]  # seconds


class TokenGiven(msgspec.Struct, frozen=True):
    """A token to be, for a program."""

    name: Name
    role: Role = "viewer"
    expires_in: Life = 90 * DAY_S


class StreamTokenGiven(msgspec.Struct, frozen=True):
    """A token to be, for a client that can set nothing but a WebSocket's address."""

    name: Name = "stream"
    expires_in: Life = DAY_S


class TokenShape(msgspec.Struct, frozen=True, kw_only=True):
    """A token, without the token."""

    id: int
    name: str
    kind: TokenKind
    role: Role
    created_at: str
    expires_at: str
    last_used_at: str | None


class NewTokenShape(TokenShape, frozen=True, kw_only=True):
    """A token that was just made; it is shown here and never again."""

    token: str


@post("/tokens", opt=SESSION)
async def create_token(
    request: ApiRequest, data: TokenGiven, database: NamedDependency[Database]
) -> NewTokenShape:
    """Make a token that may do what its role may, at most what its owner may."""
    who = person(request)
    if RANKS[data.role] > RANKS[who.user.role]:
        message = f"a token of yours is {who.user.role} at most"
        raise ForbiddenError(message)
    return await _create(database, who, "api", data.role, data)


@post("/stream-tokens", opt=SESSION)
async def create_stream_token(
    request: ApiRequest,
    database: NamedDependency[Database],
    data: StreamTokenGiven | None = None,
) -> NewTokenShape:
    """Make a token that opens WebSockets as `?token=`, to listen, and nothing else."""
    return await _create(database, person(request), "stream", "viewer", data or StreamTokenGiven())


@get("/tokens")
async def list_tokens(
    request: ApiRequest, database: NamedDependency[Database], skip: Skip = 0, limit: Limit = 100
) -> Response[list[TokenShape]]:
    """Return one's own tokens of both kinds, newest first."""
    user = person(request).user
    now_ns = time.time_ns()
    page = Page(limit, skip)
    rows = await tokens_of(database, user.organization, user.id, now_ns=now_ns, page=page)
    total = await count_tokens_of(database, user.organization, user.id, now_ns=now_ns)
    return paged([_shape(row) for row in rows], total)


@delete("/tokens/{token_id:int}", opt=SESSION)
async def revoke_token(
    request: ApiRequest, token_id: RowId, database: NamedDependency[Database]
) -> None:
    """Revoke one of one's own tokens, of either kind."""
    user = person(request).user
    gone = await database.change(
        Added,
        delete_token(user.organization, user.id, token_id),
        audit(user, "token.revoke", str(token_id), now_ns=time.time_ns()),
    )
    if not gone:
        message = "no such token"
        raise NotFoundError(message)


async def _create(
    database: Database,
    who: Person,
    kind: TokenKind,
    role: Role,
    given: TokenGiven | StreamTokenGiven,
) -> NewTokenShape:
    token, token_hash = new_secret(PREFIXES[kind])
    now_ns = time.time_ns()
    new = NewToken(
        organization=who.organization,
        user_id=who.user.id,
        name=given.name,
        kind=kind,
        role=role,
        token_hash=token_hash,
        expires_ns=now_ns + given.expires_in * NS_PER_S,
    )
    await database.write(forget_tokens(now_ns))
    after = {"kind": kind, "role": role, "expires_at": rfc3339(new.expires_ns)}
    added = await database.change(
        Added,
        add_token(new, now_ns),
        audit(who.user, "token.create", given.name, now_ns=now_ns, after=after),
    )
    if not added:
        message = "you have too many tokens: revoke some"
        raise ConflictError(message)
    row = TokenRow(added[0].id, given.name, kind, role, now_ns, new.expires_ns, None)
    return NewTokenShape(**msgspec.structs.asdict(_shape(row)), token=token)


def _shape(row: TokenRow) -> TokenShape:
    return TokenShape(
        id=row.id,
        name=row.name,
        kind=row.kind,
        role=row.role,
        created_at=rfc3339(row.created_ns),
        expires_at=rfc3339(row.expires_ns),
        last_used_at=maybe_rfc3339(row.last_used_ns),
    )


router = Router(
    "/auth",
    route_handlers=[create_token, create_stream_token, list_tokens, revoke_token],
    tags=["auth"],
)
