"""Users: who may sign in, and what they may do."""

from typing import Literal

import msgspec

from aggregator.store.alerts import Count
from aggregator.store.database import Database, Statement
from aggregator.store.devices import Added

Role = Literal["viewer", "analyst", "operator", "admin"]


class UserRow(msgspec.Struct, frozen=True):
    """One user as it is kept."""

    id: int
    organization: str
    username: str
    email: str | None
    full_name: str | None
    password_hash: str
    role: Role
    is_active: bool
    created_ns: int
    last_login_ns: int | None


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user to be."""

    organization: str
    username: str
    email: str | None = None
    full_name: str | None = None
    password_hash: str
    role: Role


class User(msgspec.Struct, frozen=True):
    """One user as others see them."""

    id: int
    organization: str
    username: str
    email: str | None
    full_name: str | None
    role: Role
    is_active: bool
    created_ns: int
    last_login_ns: int | None


class SessionUser(User, frozen=True):
    """A user who asks for something, and from where."""

    address: str = ""


class UserFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which users; what is None does not matter."""

    user_id: int | None = None
    role: Role | None = None
    text: str | None = None


class UserChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be true of a user; None leaves a thing as it is."""

    email: str | None = None
    full_name: str | None = None
    role: Role | None = None
    is_active: bool | None = None


async def count_users(database: Database) -> int:
    """Return how many users there are, in all organizations."""
    return (await database.read("count_users", {}, Count))[0].count


def new_user(new: NewUser, now_ns: int) -> Statement:
    """Add a user; returns Added, or nothing when the name or the address is taken."""
    return Statement("add_user", msgspec.structs.asdict(new) | {"now_ns": now_ns})


async def add_user(database: Database, new: NewUser, now_ns: int) -> int | None:
    """Add a user and return its number, or None when the name or the address is taken."""
    added = await database.write_returning(Added, new_user(new, now_ns))
    return added[0].id if added else None


async def user_by_name(database: Database, name: str) -> UserRow | None:
    """Return the user with a username or an e-mail address, whatever its case."""
    rows = await database.read("user_by_name", {"name": name}, UserRow)
    return rows[0] if rows else None


async def find_users(
    database: Database, organization: str, wanted: UserFilter, *, limit: int, skip: int = 0
) -> list[User]:
    """Return users of an organization, by their names."""
    parameters = _parameters(organization, wanted) | {"limit": limit, "skip": skip}
    return await database.read("users", parameters, User)


async def count_users_of(database: Database, organization: str, wanted: UserFilter) -> int:
    """Return how many users of an organization there are."""
    rows = await database.read("count_users_of", _parameters(organization, wanted), Count)
    return rows[0].count


def change_user(organization: str, user_id: int, change: UserChange) -> Statement:
    """Change a user; returns Added, or nothing where no active admin would be left."""
    return Statement(
        "change_user",
        {"organization": organization, "user_id": user_id} | msgspec.structs.asdict(change),
    )


def set_password(organization: str, user_id: int, password_hash: str) -> Statement:
    """Give a user another password; returns Added, or nothing when there is no such user."""
    return Statement(
        "set_password",
        {"organization": organization, "user_id": user_id, "password_hash": password_hash},
    )


def _parameters(organization: str, wanted: UserFilter) -> dict[str, object]:
    return {"organization": organization} | msgspec.structs.asdict(wanted)
