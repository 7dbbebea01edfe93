"""The audit: who changed what, from where; each entry holds the hash of the one before."""

from typing import Protocol

import msgspec

from aggregator.store.alerts import Count
from aggregator.store.database import Database, Statement
from aggregator.store.reported import json_text


class Actor(Protocol):
    """Who changes something: a person, or the command line."""

    @property
    def organization(self) -> str:
        """Whose audit it goes into."""

    @property
    def id(self) -> int | None:
        """The user's number."""

    @property
    def username(self) -> str:
        """What they are called."""

    @property
    def address(self) -> str:
        """The network address they ask from."""


class Somebody(msgspec.Struct, frozen=True):
    """An actor who is no signed-in user."""

    organization: str
    username: str
    id: int | None = None
    address: str = ""


class Entry(msgspec.Struct, frozen=True):
    """One entry of an organization's audit."""

    seq: int
    at_ns: int
    user_id: int | None
    username: str
    address: str
    action: str
    target: str
    detail: str
    before: str
    after: str
    hash: str


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries; what is None does not matter. An action is a whole one or its first word."""

    username: str | None = None
    action: str | None = None
    target: str | None = None
    address: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None


class Chain(msgspec.Struct, frozen=True):
    """What the hashes say of an organization's audit."""

    organization: str
    entries: int
    head: str  # the last hash
    broken_at: int | None  # the first entry that does not follow from the one before


def audit(  # noqa: PLR0913  an entry has so many parts
    actor: Actor,
    action: str,
    target: str,
    *,
    now_ns: int,
    detail: str = "",
    before: object = None,
    after: object = None,
) -> Statement:
    """Note who changed what; belongs in the same transaction as the change.

    Args:
        actor: Who.
        action: A noun and a verb, such as `user.change`.
        target: The name of what was changed, within its organization.
        now_ns: When.
        detail: Words, where before and after do not say it.
        before: What was there, if anything; no secrets.
        after: What is there now, if anything; no secrets.
    """
    return Statement(
        "add_audit",
        {
            "organization": actor.organization,
            "user_id": actor.id,
            "username": actor.username,
            "address": actor.address,
            "action": action,
            "target": target,
            "detail": detail,
            "before": "" if before is None else json_text(before),
            "after": "" if after is None else json_text(after),
            "now_ns": now_ns,
        },
    )


async def find_audit(
    database: Database, organization: str, wanted: AuditFilter, *, limit: int, skip: int = 0
) -> list[Entry]:
    """Return entries of an organization, newest first."""
    parameters = _parameters(organization, wanted) | {"limit": limit, "skip": skip}
    return await database.read("audit", parameters, Entry)


async def count_audit(database: Database, organization: str, wanted: AuditFilter) -> int:
    """Return how many entries of an organization there are."""
    rows = await database.read("count_audit", _parameters(organization, wanted), Count)
    return rows[0].count


async def verify_audit(database: Database, organization: str | None = None) -> list[Chain]:
    """Check the audit of an organization, or of all of them: one chain for each that has any."""
    return await database.read("verify_audit", {"organization": organization}, Chain)


def _parameters(organization: str, wanted: AuditFilter) -> dict[str, object]:
    return {"organization": organization} | msgspec.structs.asdict(wanted)
