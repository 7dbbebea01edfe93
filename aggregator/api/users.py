"""/api/v1/users: who may sign in, what they may do, and where they are signed in."""

import time
from http import HTTPStatus
from typing import Annotated

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK

from aggregator.api.authenticator import Authenticator
from aggregator.api.authorization import AuthorizationCodes
from aggregator.api.billing import check_plan
from aggregator.api.identity import ACTING, ADMIN, SESSION, ApiRequest, Person, person
from aggregator.api.paging import Limit, RowId, Skip, Text, paged
from aggregator.api.passwords import check_password, generated_password
from aggregator.errors import ConflictError, NotFoundError
from aggregator.shapes import UserShape, rfc3339, user_shape
from aggregator.store.audit import audit
from aggregator.store.database import Database
from aggregator.store.devices import Added, Page
from aggregator.store.sessions import (
    SessionRow,
    Used,
    count_sessions_of,
    revoke_one_session,
    revoke_sessions,
    sessions_of,
)
from aggregator.store.tokens import sign_out_everywhere
from aggregator.store.usage import within_plan
from aggregator.store.users import (
    NewUser,
    Role,
    User,
    UserChange,
    UserFilter,
    change_user,
    count_users_of,
    find_users,
    new_user,
    set_password,
    user_by_name,
)

Username = Annotated[str, msgspec.Meta(pattern=r"^[\w.@+-]{1,64}$(?!\n)")]
Email = Annotated[str, msgspec.Meta(pattern=r"^[^@\s]+@[^@\s]+$(?!\n)", max_length=254)]
FullName = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class UserGiven(msgspec.Struct, frozen=True):
    """A user to be."""

    username: Username
    password: str
    role: Role = "viewer"
    email: Email | None = None
    full_name: FullName | None = None
    authorization_code: str | None = None  # of the admin's authenticator, if they have one


class UserChangeGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be true of a user from now on; what is missing stays."""

    email: Email | None = None
    full_name: FullName | None = None
    role: Role | None = None
    is_active: bool | None = None
    authorization_code: str | None = None  # of the admin's authenticator, if they have one


class PasswordGiven(msgspec.Struct, frozen=True):
    """Another password for a user; where there is none, one is made up."""

    password: str | None = None
    authorization_code: str | None = None  # of the admin's authenticator, if they have one


class PasswordSet(msgspec.Struct, frozen=True):
    """That a user has another password; one that was made up is shown here and never again."""

    message: str
    password: str | None


class SessionShape(msgspec.Struct, frozen=True, kw_only=True):
    """Where a user is signed in."""

    session_id: str
    created_at: str
    last_used_at: str
    expires_at: str
    address: str
    program: str
    current: bool  # the one that asks


@get("/", opt=ADMIN)
async def list_users(  # noqa: PLR0913  one parameter for each filter
    request: ApiRequest,
    database: NamedDependency[Database],
    *,
    role: Role | None = None,
    q: Text = None,
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[UserShape]]:
    """Return the users of the organization, by their names."""
    organization = request.user.organization
    wanted = UserFilter(role=role, text=q)
    rows = await find_users(database, organization, wanted, limit=limit, skip=skip)
    total = await count_users_of(database, organization, wanted)
    return paged([user_shape(row) for row in rows], total)


@post(
    "/",
    opt=ADMIN | SESSION | {"errors": (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.PAYMENT_REQUIRED)},
)
async def create_user(
    request: ApiRequest,
    data: UserGiven,
    database: NamedDependency[Database],
    authenticator: NamedDependency[Authenticator],
    codes: NamedDependency[AuthorizationCodes],
) -> UserShape:
    """Add a user to the organization; an operator or admin takes a code of who has an authenticator."""
    who = person(request).user
    check_password(data.password, data.username, data.email)
    await check_plan(database, who.organization, users=1)
    if data.role in ACTING:
        await codes.step_up(who, data.authorization_code)
    authenticator.taken_names.attempt(who.organization)
    new = NewUser(
        organization=who.organization,
        username=data.username,
        email=data.email,
        full_name=data.full_name,
        password_hash=await authenticator.passwords.hash(data.password),
        role=data.role,
    )
    now_ns = time.time_ns()
    after = {"role": data.role, "email": data.email, "full_name": data.full_name}
    added = await database.change(
        Added,
        new_user(new, now_ns),
        within_plan(who.organization, users=True),
        audit(who, "user.create", data.username, now_ns=now_ns, after=after),
    )
    if not added:
        await check_plan(database, who.organization, users=1)  # others may have come in meanwhile
        message = "the username or the e-mail address is taken"
        raise ConflictError(message)
    authenticator.taken_names.forgive(who.organization)
    return user_shape(await find_user(database, who.organization, added[0].id))


@get("/{user_id:int}", opt=ADMIN)
async def get_user(
    request: ApiRequest, user_id: RowId, database: NamedDependency[Database]
) -> UserShape:
    """Return a user."""
    return user_shape(await find_user(database, request.user.organization, user_id))


@patch(
    "/{user_id:int}",
    opt=ADMIN | SESSION | {"errors": (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.PAYMENT_REQUIRED)},
)
async def update_user(  # noqa: PLR0913  what a request needs
    request: ApiRequest,
    user_id: RowId,
    database: NamedDependency[Database],
    authenticator: NamedDependency[Authenticator],
    codes: NamedDependency[AuthorizationCodes],
    *,
    data: UserChangeGiven,
) -> UserShape:
    """Change a user; who is made inactive is signed out everywhere, and their tokens end.

    To make somebody operator or admin takes a code of who has an authenticator.
    """
    who = person(request).user
    before = user_shape(await find_user(database, who.organization, user_id))
    if data.email is not None:
        authenticator.taken_names.attempt(who.organization)
        await _require_free(database, data.email, user_id)
        authenticator.taken_names.forgive(who.organization)
    comes_back = bool(data.is_active) and not before.is_active
    if comes_back:
        await check_plan(database, who.organization, users=1)
    if data.role in ACTING:
        await codes.step_up(who, data.authorization_code)
    fields = msgspec.structs.asdict(data)
    del fields["authorization_code"]
    change = UserChange(**fields)
    given = {name: value for name, value in fields.items() if value is not None}
    after = msgspec.structs.replace(before, **given)
    now_ns = time.time_ns()
    out = sign_out_everywhere(who.organization, user_id, now_ns) if not after.is_active else ()
    changed = await database.change(
        Added,
        change_user(who.organization, user_id, change),
        *out,
        within_plan(who.organization, users=comes_back),
        audit(who, "user.change", before.username, now_ns=now_ns, before=before, after=after),
    )
    if not changed:
        if comes_back:
            await check_plan(database, who.organization, users=1)
        message = "the last active admin stays one: make somebody else admin first"
        raise ConflictError(message)
    return after


@post(
    "/{user_id:int}/password",
    opt=ADMIN | SESSION | {"errors": (HTTPStatus.TOO_MANY_REQUESTS,)},
    status_code=HTTP_200_OK,
)
async def reset_password(  # noqa: PLR0913  what a request needs
    request: ApiRequest,
    user_id: RowId,
    database: NamedDependency[Database],
    authenticator: NamedDependency[Authenticator],
    codes: NamedDependency[AuthorizationCodes],
    *,
    data: PasswordGiven,
) -> PasswordSet:
    """Give a user another password; they are signed out everywhere, and their tokens end.

    It takes a code of who has an authenticator.
    """
    who = person(request).user
    user = await find_user(database, who.organization, user_id)
    password = data.password or generated_password()
    check_password(password, user.username, user.email)
    await codes.step_up(who, data.authorization_code)
    now_ns = time.time_ns()
    await database.change(
        Added,
        set_password(who.organization, user_id, await authenticator.passwords.hash(password)),
        *sign_out_everywhere(who.organization, user_id, now_ns),
        audit(who, "user.reset_password", user.username, now_ns=now_ns),
    )
    made_up = None if data.password else password
    return PasswordSet("the password is set, and every session of the user has ended", made_up)


@get("/{user_id:int}/sessions", opt=ADMIN)
async def list_sessions(
    request: ApiRequest,
    user_id: RowId,
    database: NamedDependency[Database],
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[SessionShape]]:
    """Return where a user is signed in, newest first."""
    who = person(request)
    await find_user(database, who.organization, user_id)
    return await sessions_page(database, who, user_id, Page(limit, skip))


@delete("/{user_id:int}/sessions", opt=ADMIN | SESSION)
async def end_sessions(
    request: ApiRequest, user_id: RowId, database: NamedDependency[Database]
) -> None:
    """Sign a user out everywhere."""
    who = person(request).user
    user = await find_user(database, who.organization, user_id)
    now_ns = time.time_ns()
    await database.write(
        revoke_sessions(who.organization, user_id, now_ns=now_ns),
        audit(who, "user.sign_out", user.username, now_ns=now_ns),
    )


@delete("/{user_id:int}/sessions/{session_id:str}", opt=ADMIN | SESSION)
async def end_session(
    request: ApiRequest, user_id: RowId, session_id: str, database: NamedDependency[Database]
) -> None:
    """End one session of a user."""
    who = person(request).user
    user = await find_user(database, who.organization, user_id)
    now_ns = time.time_ns()
    ended = await database.change(
        Used,
        revoke_one_session(who.organization, user_id, session_id=session_id, now_ns=now_ns),
        audit(who, "user.sign_out", user.username, now_ns=now_ns, detail=session_id),
    )
    if not ended:
        message = "no such session"
        raise NotFoundError(message)


async def find_user(database: Database, organization: str, user_id: int) -> User:
    """Return a user of an organization.

    Raises:
        NotFoundError: It has none of that number.
    """
    rows = await find_users(database, organization, UserFilter(user_id=user_id), limit=1)
    if not rows:
        message = "no such user"
        raise NotFoundError(message)
    return rows[0]


async def sessions_page(
    database: Database, who: Person, user_id: int, page: Page
) -> Response[list[SessionShape]]:
    """Return where a user of the asker's organization is signed in, newest first."""
    now_ns = time.time_ns()
    rows = await sessions_of(database, who.organization, user_id, now_ns=now_ns, page=page)
    total = await count_sessions_of(database, who.organization, user_id, now_ns=now_ns)
    return paged([_session_shape(row, who.session_id) for row in rows], total)


def _session_shape(row: SessionRow, current: str | None) -> SessionShape:
    return SessionShape(
        session_id=row.session_id,
        created_at=rfc3339(row.created_ns),
        last_used_at=rfc3339(row.last_used_ns),
        expires_at=rfc3339(row.expires_ns),
        address=row.address,
        program=row.program,
        current=row.session_id == current,
    )


async def _require_free(database: Database, email: str, user_id: int) -> None:
    holder = await user_by_name(database, email)
    if holder is not None and holder.id != user_id:
        message = "the e-mail address is taken"
        raise ConflictError(message)


router = Router(
    "/users",
    route_handlers=[
        list_users,
        create_user,
        get_user,
        update_user,
        reset_password,
        list_sessions,
        end_sessions,
        end_session,
    ],
    tags=["users"],
)
