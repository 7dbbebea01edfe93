"""/api/v1/organizations: whom rows belong to; those who run the installation make new ones."""

import time
from typing import Annotated

import msgspec
from litestar import Response, Router, get, patch, post
from litestar.di import NamedDependency

from aggregator.api.authenticator import Authenticator
from aggregator.api.identity import ADMIN, ApiRequest, person
from aggregator.api.paging import Limit, Skip, paged
from aggregator.api.passwords import check_password
from aggregator.api.users import Email, FullName, Username
from aggregator.config import AuthConfig
from aggregator.errors import ConflictError, ForbiddenError, NotFoundError
from aggregator.shapes import rfc3339
from aggregator.store.audit import Somebody, audit
from aggregator.store.database import Database
from aggregator.store.devices import Page
from aggregator.store.organizations import (
    Named,
    OrganizationRow,
    add_organization,
    count_organizations,
    find_organizations,
    rename_organization,
)
from aggregator.store.users import NewUser, new_user
from contract.identifiers import OrganizationId

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class FirstAdmin(msgspec.Struct, frozen=True):
    """Who manages a new organization."""

    username: Username
    password: str
    email: Email | None = None
    full_name: FullName | None = None


class OrganizationGiven(msgspec.Struct, frozen=True):
    """An organization to be, with somebody to manage it."""

    organization: OrganizationId
    admin: FirstAdmin
    name: Name | None = None


class OrganizationChange(msgspec.Struct, frozen=True):
    """What an organization is called from now on."""

    name: Name


class OrganizationShape(msgspec.Struct, frozen=True):
    """An organization."""

    organization: str
    name: str
    created_at: str


@get("/", opt=ADMIN)
async def list_organizations(
    request: ApiRequest,
    database: NamedDependency[Database],
    auth: NamedDependency[AuthConfig],
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[OrganizationShape]]:
    """Return organizations: all to who runs the installation, their own to everybody else."""
    visible = _visible(request, auth)
    rows = await find_organizations(database, visible, Page(limit, skip))
    return paged([_shape(row) for row in rows], await count_organizations(database, visible))


@post("/", opt=ADMIN)
async def create_organization(
    request: ApiRequest,
    data: OrganizationGiven,
    database: NamedDependency[Database],
    authenticator: NamedDependency[Authenticator],
    auth: NamedDependency[AuthConfig],
) -> OrganizationShape:
    """Make an organization and its admin; this is for who runs the installation."""
    who = person(request).user
    if who.organization != auth.organization:
        message = "organizations are made by who runs the installation"
        raise ForbiddenError(message)
    check_password(data.admin.password, data.admin.username, data.admin.email)
    now_ns = time.time_ns()
    admin = NewUser(
        organization=data.organization,
        username=data.admin.username,
        email=data.admin.email,
        full_name=data.admin.full_name,
        password_hash=await authenticator.passwords.hash(data.admin.password),
        role="admin",
    )
    shape = OrganizationShape(data.organization, data.name or data.organization, rfc3339(now_ns))
    theirs = Somebody(data.organization, who.username, address=who.address)
    added = await database.change(
        Named,
        add_organization(data.organization, shape.name, now_ns),
        new_user(admin, now_ns),
        audit(who, "organization.create", data.organization, now_ns=now_ns, after=shape),
        audit(theirs, "organization.create", data.organization, now_ns=now_ns, after=shape),
    )
    if not added:
        message = f"there is an organization {data.organization}, or such a user, already"
        raise ConflictError(message)
    return shape


@get("/{organization:str}", opt=ADMIN)
async def get_organization(
    request: ApiRequest,
    organization: str,
    database: NamedDependency[Database],
    auth: NamedDependency[AuthConfig],
) -> OrganizationShape:
    """Return an organization."""
    return _shape(await _find(request, organization, database, auth))


@patch("/{organization:str}", opt=ADMIN)
async def update_organization(
    request: ApiRequest,
    organization: str,
    data: OrganizationChange,
    database: NamedDependency[Database],
    auth: NamedDependency[AuthConfig],
) -> OrganizationShape:
    """Change what an organization is called; its identifier stays, since topics carry it."""
    row = await _find(request, organization, database, auth)
    before, after = _shape(row), _shape(msgspec.structs.replace(row, name=data.name))
    who = person(request).user
    await database.change(
        Named,
        rename_organization(organization, data.name),
        audit(
            who,
            "organization.change",
            organization,
            now_ns=time.time_ns(),
            before=before,
            after=after,
        ),
    )
    return after


def _visible(request: ApiRequest, auth: AuthConfig) -> str | None:
    own = request.user.organization
    return None if own == auth.organization else own


async def _find(
    request: ApiRequest, organization: str, database: Database, auth: AuthConfig
) -> OrganizationRow:
    rows = await find_organizations(database, organization, Page(1))
    if not rows or _visible(request, auth) not in {None, organization}:
        message = "no such organization"
        raise NotFoundError(message)
    return rows[0]


def _shape(row: OrganizationRow) -> OrganizationShape:
    return OrganizationShape(row.organization, row.name, rfc3339(row.created_ns))


router = Router(
    "/organizations",
    route_handlers=[
        list_organizations,
        create_organization,
        get_organization,
        update_organization,
    ],
    tags=["organizations"],
)
