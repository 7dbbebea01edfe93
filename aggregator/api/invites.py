"""/api/v1/invites and /api/v1/auth/register: how people come in whom no admin adds."""

import time
from http import HTTPStatus
from typing import Annotated

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency

from aggregator.addresses import guesser_of
from aggregator.api.authenticator import Authenticator, digest, new_secret
from aggregator.api.authorization import AuthorizationCodes
from aggregator.api.billing import OVER_PLAN, check_plan
from aggregator.api.identity import ACTING, ADMIN, PUBLIC, SESSION, ApiRequest, address_of, person
from aggregator.api.paging import Limit, RowId, Skip, paged
from aggregator.api.passwords import check_password
from aggregator.api.users import Email, FullName, Username, find_user
from aggregator.config import AuthConfig
from aggregator.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from aggregator.shapes import NS_PER_S, UserShape, rfc3339, user_shape
from aggregator.store.audit import Somebody, audit
from aggregator.store.database import Database, Statement
from aggregator.store.devices import Added, Page
from aggregator.store.invites import (
    InviteRow,
    NewInvite,
    add_invite,
    count_invites,
    delete_invite,
    find_invites,
    forget_invites,
    invite_by_token,
    use_invite,
)
from aggregator.store.usage import within_plan
from aggregator.store.users import NewUser, Role, new_user

INVITE_PREFIX = "ewi_"
DAY_S = 24 * 3600

Life = Annotated[int, msgspec.Meta(ge=60, le=30 * DAY_S)]  # seconds


class InviteGiven(msgspec.Struct, frozen=True):
    """An invite to be; with an e-mail address it is good for a user of that address alone."""

    role: Role = "viewer"
    email: Email | None = None
    expires_in: Life = 7 * DAY_S
    authorization_code: str | None = None  # of the admin's authenticator, if they have one


class InviteShape(msgspec.Struct, frozen=True, kw_only=True):
    """An invite that was not used yet, without its token."""

    id: int
    role: Role
    email: str | None
    created_by_user_id: int
    created_at: str
    expires_at: str


class NewInviteShape(InviteShape, frozen=True, kw_only=True):
    """An invite that was just made; its token is shown here and never again."""

    token: str


class Registration(msgspec.Struct, frozen=True):
    """A person who wants to become a user."""

    password: str
    username: Username | None = None  # the e-mail address, where it is missing
    email: Email | None = None
    full_name: FullName | None = None
    invite: Annotated[str, msgspec.Meta(max_length=100)] | None = None


@post("/invites", opt=ADMIN | SESSION | {"errors": (HTTPStatus.TOO_MANY_REQUESTS,)})
async def create_invite(
    request: ApiRequest,
    data: InviteGiven,
    database: NamedDependency[Database],
    auth: NamedDependency[AuthConfig],
    codes: NamedDependency[AuthorizationCodes],
) -> NewInviteShape:
    """Make an invite: who shows its token to POST /auth/register becomes a user, once.

    One for an operator or admin takes a code of who has an authenticator.
    """
    who = person(request).user
    if auth.registration == "closed":
        message = "registration is closed: EDGEWARDEN_AUTH__REGISTRATION=invite opens it"
        raise ConflictError(message)
    if data.role in ACTING:
        await codes.step_up(who, data.authorization_code)
    token, token_hash = new_secret(INVITE_PREFIX)
    now_ns = time.time_ns()
    new = NewInvite(
        organization=who.organization,
        role=data.role,
        email=data.email,
        token_hash=token_hash,
        created_by=who.id,
        expires_ns=now_ns + data.expires_in * NS_PER_S,
    )
    await database.write(forget_invites(now_ns))
    after = {"role": data.role, "email": data.email, "expires_in": data.expires_in}
    (added,) = await database.change(
        Added,
        add_invite(new, now_ns),
        audit(who, "invite.create", data.email or "", now_ns=now_ns, after=after),
    )
    row = InviteRow(
        added.id, who.organization, data.role, data.email, who.id, now_ns, new.expires_ns
    )
    return NewInviteShape(**msgspec.structs.asdict(_shape(row)), token=token)


@get("/invites", opt=ADMIN)
async def list_invites(
    request: ApiRequest, database: NamedDependency[Database], skip: Skip = 0, limit: Limit = 100
) -> Response[list[InviteShape]]:
    """Return the invites that still hold, newest first."""
    organization = request.user.organization
    now_ns = time.time_ns()
    rows = await find_invites(database, organization, now_ns=now_ns, page=Page(limit, skip))
    total = await count_invites(database, organization, now_ns=now_ns)
    return paged([_shape(row) for row in rows], total)


@delete("/invites/{invite_id:int}", opt=ADMIN | SESSION)
async def take_back(
    request: ApiRequest, invite_id: RowId, database: NamedDependency[Database]
) -> None:
    """Take an invite back."""
    who = person(request).user
    gone = await database.change(
        Added,
        delete_invite(who.organization, invite_id),
        audit(who, "invite.delete", str(invite_id), now_ns=time.time_ns()),
    )
    if not gone:
        message = "no such invite"
        raise NotFoundError(message)


@post("/auth/register", opt=PUBLIC | OVER_PLAN)
async def register(
    request: ApiRequest,
    data: Registration,
    database: NamedDependency[Database],
    authenticator: NamedDependency[Authenticator],
    auth: NamedDependency[AuthConfig],
) -> UserShape:
    """Become a user: with an invite, or as a viewer where registration is open."""
    if auth.registration == "closed":
        message = "registration is closed: ask an admin to add you"
        raise ForbiddenError(message)
    authenticator.registrations.attempt(guesser_of(address_of(request)))
    now_ns = time.time_ns()
    organization, role, use = await _place(database, auth, data, now_ns)
    username = data.username or data.email
    if not username:
        message = "username or email is missing"
        raise InvalidError(message)
    check_password(data.password, username, data.email)
    await check_plan(database, organization, users=1)
    new = NewUser(
        organization=organization,
        username=username,
        email=data.email,
        full_name=data.full_name,
        password_hash=await authenticator.passwords.hash(data.password),
        role=role,
    )
    actor = Somebody(organization, username, address=address_of(request))
    added = await database.change(
        Added,
        new_user(new, now_ns),
        within_plan(organization, users=True),
        *use,
        audit(actor, "user.register", username, now_ns=now_ns, after={"role": role}),
    )
    if not added:
        await check_plan(database, organization, users=1)  # others may have come in meanwhile
        message = "the username or the e-mail address is taken, or the invite was just used"
        raise ConflictError(message)
    return user_shape(await find_user(database, organization, added[0].id))


async def _place(
    database: Database, auth: AuthConfig, data: Registration, now_ns: int
) -> tuple[str, Role, list[Statement]]:
    """Return the organization and the role that somebody may have, and what uses up the invite."""
    if data.invite is None and auth.registration == "open":
        return auth.organization, "viewer", []
    token_hash = digest(data.invite or "")
    invite = await invite_by_token(database, token_hash, now_ns)
    if invite is None or invite.email not in {None, data.email}:
        message = "the invite is missing, used, over, or for somebody else"
        raise ForbiddenError(message)
    return invite.organization, invite.role, [use_invite(token_hash, now_ns)]


def _shape(row: InviteRow) -> InviteShape:
    return InviteShape(
        id=row.id,
        role=row.role,
        email=row.email,
        created_by_user_id=row.created_by,
        created_at=rfc3339(row.created_ns),
        expires_at=rfc3339(row.expires_ns),
    )


router = Router(
    "/", route_handlers=[create_invite, list_invites, take_back, register], tags=["users"]
)
