"""Sessions: one for each sign-in, with refresh tokens that are good once."""

from collections.abc import Collection

import msgspec

from aggregator.store.alerts import Count
from aggregator.store.database import Database, Statement
from aggregator.store.devices import Page
from aggregator.store.users import SessionUser, User

MAX_OF_A_USER = 100  # sessions, those that were revoked among them


class TokenState(msgspec.Struct, frozen=True):
    """A refresh token, and what became of it."""

    session_id: str
    user_id: int
    expires_ns: int
    used_ns: int | None
    revoked_ns: int | None


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session to be."""

    session_id: str
    user_id: int
    expires_ns: int
    address: str
    program: str


class SessionRow(msgspec.Struct, frozen=True):
    """A session that is going on."""

    session_id: str
    created_ns: int
    last_used_ns: int
    expires_ns: int
    address: str
    program: str


class Holder(User, frozen=True):
    """The user of a session that is going on."""

    session_id: str
    expires_ns: int  # of the session

    @property
    def user(self) -> SessionUser:
        """Return them as who asks for something."""
        return SessionUser(*(getattr(self, name) for name in User.__struct_fields__))


class Used(msgspec.Struct, frozen=True):
    """The session whose refresh token was just used, or which was just ended."""

    session_id: str


async def holders_of(
    database: Database, session_ids: Collection[str], now_ns: int
) -> dict[str, Holder]:
    """Return the active users of those sessions that are neither revoked nor over."""
    parameters = {"session_ids": list(session_ids), "now_ns": now_ns}
    rows = await database.read("holders", parameters, Holder)
    return {row.session_id: row for row in rows}


def open_session(new: NewSession, token_hash: str, now_ns: int) -> tuple[Statement, ...]:
    """Begin a session with its first refresh token.

    Sessions that are over are forgotten, and the oldest of a user who begins ever more.
    """
    return (
        Statement("forget_sessions", {"now_ns": now_ns}),
        Statement("add_session", msgspec.structs.asdict(new) | {"now_ns": now_ns}),
        Statement("trim_sessions", {"user_id": new.user_id, "kept": MAX_OF_A_USER}),
        Statement("forget_refresh_tokens", {}),
        Statement("note_login", {"user_id": new.user_id, "now_ns": now_ns}),
        issue_token(new.session_id, token_hash, now_ns),
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


def use_token(token_hash: str, now_ns: int) -> Statement:
    """Use up a refresh token; returns Used, or nothing when it was used before."""
    return Statement("use_refresh_token", {"token_hash": token_hash, "now_ns": now_ns})


def note_refresh(session_id: str, now_ns: int) -> Statement:
    """Write down that a session was used."""
    return Statement("note_refresh", {"session_id": session_id, "now_ns": now_ns})


def revoke_session(session_id: str, now_ns: int) -> Statement:
    """End a session."""
    return Statement("revoke_session", {"session_id": session_id, "now_ns": now_ns})


async def sessions_of(
    database: Database, organization: str, user_id: int, *, now_ns: int, page: Page
) -> list[SessionRow]:
    """Return the sessions of a user that are going on, newest first."""
    parameters = _of(organization, user_id, now_ns) | msgspec.structs.asdict(page)
    return await database.read("sessions", parameters, SessionRow)


async def count_sessions_of(
    database: Database, organization: str, user_id: int, *, now_ns: int
) -> int:
    """Return how many sessions of a user are going on."""
    rows = await database.read("count_sessions", _of(organization, user_id, now_ns), Count)
    return rows[0].count


def revoke_sessions(organization: str, user_id: int, *, now_ns: int) -> Statement:
    """End every session of a user."""
    return Statement("revoke_sessions", _of(organization, user_id, now_ns))


def revoke_one_session(
    organization: str, user_id: int, *, session_id: str, now_ns: int
) -> Statement:
    """End a session of a user; returns Used, or nothing when no such session is going on."""
    return Statement(
        "revoke_one_session", _of(organization, user_id, now_ns) | {"session_id": session_id}
    )


def _of(organization: str, user_id: int, now_ns: int) -> dict[str, object]:
    return {"organization": organization, "user_id": user_id, "now_ns": now_ns}
