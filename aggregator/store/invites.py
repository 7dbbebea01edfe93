"""Invites: each lets one person register, once and in time; only hashes are kept."""

import msgspec

from aggregator.store.alerts import Count
from aggregator.store.database import Database, Statement
from aggregator.store.devices import Page
from aggregator.store.users import Role


class NewInvite(msgspec.Struct, frozen=True, kw_only=True):
    """An invite to be."""

    organization: str
    role: Role
    email: str | None
    token_hash: str
    created_by: int
    expires_ns: int


class InviteRow(msgspec.Struct, frozen=True):
    """One invite that was not used yet."""

    id: int
    organization: str
    role: Role
    email: str | None
    created_by: int
    created_ns: int
    expires_ns: int


def add_invite(new: NewInvite, now_ns: int) -> Statement:
    """Add an invite; returns Added."""
    return Statement("add_invite", msgspec.structs.asdict(new) | {"now_ns": now_ns})


def forget_invites(now_ns: int) -> Statement:
    """Forget the invites that are over."""
    return Statement("forget_invites", {"now_ns": now_ns})


async def invite_by_token(database: Database, token_hash: str, now_ns: int) -> InviteRow | None:
    """Return the invite with a token, if it holds."""
    parameters = {"token_hash": token_hash, "now_ns": now_ns}
    rows = await database.read("invite_by_token", parameters, InviteRow)
    return rows[0] if rows else None


def use_invite(token_hash: str, now_ns: int) -> Statement:
    """Use up an invite; returns Added, or nothing when it does not hold any more."""
    return Statement("use_invite", {"token_hash": token_hash, "now_ns": now_ns})


async def find_invites(
    database: Database, organization: str, *, now_ns: int, page: Page
) -> list[InviteRow]:
    """Return the invites of an organization that still hold, newest first."""
    parameters = {"organization": organization, "now_ns": now_ns} | msgspec.structs.asdict(page)
    return await database.read("invites", parameters, InviteRow)


async def count_invites(database: Database, organization: str, *, now_ns: int) -> int:
    """Return how many invites of an organization still hold."""
    parameters = {"organization": organization, "now_ns": now_ns}
    return (await database.read("count_invites", parameters, Count))[0].count


def delete_invite(organization: str, invite_id: int) -> Statement:
    """Take an invite back; returns Added, or nothing when there is none of that number."""
    return Statement("delete_invite", {"organization": organization, "invite_id": invite_id})
