"""API tokens: what a program shows instead of a password; only hashes are kept."""

from typing import Literal

import msgspec

from aggregator.store.alerts import Count
from aggregator.store.database import Database, Statement
from aggregator.store.devices import Page
from aggregator.store.sessions import revoke_sessions
from aggregator.store.users import Role

MAX_OF_A_USER = 100

TokenKind = Literal["api", "stream"]  # stream: opens WebSockets, and nothing else


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token to be."""

    organization: str
    user_id: int
    name: str
    kind: TokenKind
    role: Role
    token_hash: str
    expires_ns: int


class TokenRow(msgspec.Struct, frozen=True):
    """One token as its owner sees it."""

    id: int
    name: str
    kind: TokenKind
    role: Role
    created_ns: int
    expires_ns: int
    last_used_ns: int | None


class TokenUser(msgspec.Struct, frozen=True):
    """A token that holds, and whose it is."""

    token_id: int
    kind: TokenKind
    token_role: Role
    id: int
    organization: str
    username: str
    email: str | None
    full_name: str | None
    role: Role
    is_active: bool
    created_ns: int
    last_login_ns: int | None


def add_token(new: NewToken, now_ns: int) -> Statement:
    """Add a token; returns Added, or nothing when its owner has too many."""
    return Statement(
        "add_api_token", msgspec.structs.asdict(new) | {"now_ns": now_ns, "most": MAX_OF_A_USER}
    )


def forget_tokens(now_ns: int) -> Statement:
    """Forget the tokens that are over."""
    return Statement("forget_api_tokens", {"now_ns": now_ns})


async def user_of_token(
    database: Database, *, now_ns: int, token_hash: str | None = None, token_id: int | None = None
) -> TokenUser | None:
    """Return a token by its hash or its number, with its active owner, if it holds."""
    parameters = {"token_hash": token_hash, "token_id": token_id, "now_ns": now_ns}
    rows = await database.read("user_of_token", parameters, TokenUser)
    return rows[0] if rows else None


def note_token_use(token_id: int, now_ns: int) -> Statement:
    """Write down that a token was used."""
    return Statement("note_token_use", {"token_id": token_id, "now_ns": now_ns})


async def tokens_of(
    database: Database, organization: str, user_id: int, *, now_ns: int, page: Page
) -> list[TokenRow]:
    """Return the tokens of a user, newest first."""
    parameters = _of(organization, user_id) | msgspec.structs.asdict(page) | {"now_ns": now_ns}
    return await database.read("api_tokens", parameters, TokenRow)


async def count_tokens_of(
    database: Database, organization: str, user_id: int, *, now_ns: int
) -> int:
    """Return how many tokens a user has."""
    parameters = _of(organization, user_id) | {"now_ns": now_ns}
    return (await database.read("count_api_tokens", parameters, Count))[0].count


def delete_token(organization: str, user_id: int, token_id: int) -> Statement:
    """Revoke a token; returns Added, or nothing when the user has none of that number."""
    return Statement("delete_api_token", _of(organization, user_id) | {"token_id": token_id})


def sign_out_everywhere(
    organization: str, user_id: int, now_ns: int
) -> tuple[Statement, Statement]:
    """End every session and revoke every token of a user."""
    return (
        revoke_sessions(organization, user_id, now_ns=now_ns),
        Statement("delete_api_tokens", _of(organization, user_id)),
    )


def _of(organization: str, user_id: int) -> dict[str, object]:
    return {"organization": organization, "user_id": user_id}
