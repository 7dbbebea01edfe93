"""Users: who signs in, their sessions, and the audit of what they changed."""

from typing import Literal

import msgspec

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


class SessionUser(msgspec.Struct, frozen=True):
    """Whose session is going on."""

    id: int
    organization: str
    username: str
    email: str | None
    full_name: str | None
    role: Role
    created_ns: int
    last_login_ns: int | None


class TokenState(msgspec.Struct, frozen=True):
    """A refresh token, and what became of it."""

    session_id: str
    user_id: int
    expires_ns: int
    used_ns: int | None
    revoked_ns: int | None


class _Count(msgspec.Struct, frozen=True):
    count: int


async def count_users(database: Database) -> int:
    """Return how many users there are, in all organizations."""
    return (await database.read("count_users", {}, _Count))[0].count


async def add_user(database: Database, new: NewUser, now_ns: int) -> int | None:
    """Add a user and return its number, or None when the name or the address is taken."""
    parameters = msgspec.structs.asdict(new) | {"now_ns": now_ns}
    added = await database.write_returning(Added, Statement("add_user", parameters))
    return added[0].id if added else None


async def user_by_name(database: Database, name: str) -> UserRow | None:
    """Return the user with a username or an e-mail address, whatever its case."""
    rows = await database.read("user_by_name", {"name": name}, UserRow)
    return rows[0] if rows else None


async def user_of_session(database: Database, session_id: str, now_ns: int) -> SessionUser | None:
    """Return the active user of a session that is neither revoked nor over, if it is one."""
    parameters = {"session_id": session_id, "now_ns": now_ns}
    rows = await database.read("user_of_session", parameters, SessionUser)
    return rows[0] if rows else None


def open_session(
    session_id: str, user_id: int, *, token_hash: str, now_ns: int, expires_ns: int
) -> tuple[Statement, ...]:
    """Begin a session with its first refresh token; those that are over are forgotten."""
    return (
        Statement("forget_refresh_tokens", {"now_ns": now_ns}),
        Statement("forget_sessions", {"now_ns": now_ns}),
        Statement(
            "add_session",
            {
                "session_id": session_id,
                "user_id": user_id,
                "now_ns": now_ns,
                "expires_ns": expires_ns,
            },
        ),
        Statement("note_login", {"user_id": user_id, "now_ns": now_ns}),
        issue_token(session_id, token_hash, now_ns),
    )


def issue_token(session_id: str, token_hash: str, now_ns: int) -> Statement:
    """Add a refresh token to a session."""
    return Statement(
        "add_refresh_token",
        {"session_id": session_id, "token_hash": token_hash, "now_ns": now_ns},
    )


async def find_token(database: Database, token_hash: str) -> TokenState | None:
    """Return a refresh token, if it is known."""
    rows = await database.read("refresh_token", {"token_hash": token_hash}, TokenState)
    return rows[0] if rows else None


class Used(msgspec.Struct, frozen=True):
    """The session whose refresh token was just used."""

    session_id: str


def use_token(token_hash: str, now_ns: int) -> Statement:
    """Use up a refresh token; returns Used, or nothing when it was used before."""
    return Statement("use_refresh_token", {"token_hash": token_hash, "now_ns": now_ns})


def revoke_session(session_id: str, now_ns: int) -> Statement:
    """End a session."""
    return Statement("revoke_session", {"session_id": session_id, "now_ns": now_ns})


def audit(
    user: SessionUser, action: str, target: str, *, now_ns: int, detail: str = ""
) -> Statement:
    """Note who changed what; belongs in the same transaction as the change."""
    return Statement(
        "add_audit",
        {
            "organization": user.organization,
            "user_id": user.id,
            "username": user.username,
            "action": action,
            "target": target,
            "detail": detail,
            "now_ns": now_ns,
        },
    )
