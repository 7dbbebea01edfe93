"""Channels: whom an organization has told of its alerts, which of them, and how often."""

from typing import Literal

import msgspec

from aggregator.store.alerts import Count
from aggregator.store.database import Database, Statement
from aggregator.store.devices import Page
from contract.attacks import AttackType, Severity

MAX_OF_AN_ORGANIZATION = 20

ChannelKind = Literal["webhook", "service"]


class NewChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel to be."""

    organization: str
    name: str
    kind: ChannelKind
    target: str
    sealed: bytes
    severities: list[Severity]
    attack_types: list[AttackType]
    per_minute: int
    quiet: str | None
    recovery: bool
    created_by: str


class ChannelRow(msgspec.Struct, frozen=True):
    """One channel as its organization sees it, but for the address, which is sealed."""

    id: int
    name: str
    kind: ChannelKind
    target: str
    sealed: bytes
    severities: list[Severity]
    attack_types: list[AttackType]
    per_minute: int
    quiet: str | None
    recovery: bool
    created_by: str
    created_ns: int
    sent: int
    failed: int
    dropped: int
    withheld: int
    queued: int
    last_sent_ns: int | None
    last_error: str | None


class OpenChannel(msgspec.Struct, frozen=True):
    """One channel of any organization, as far as sending needs it."""

    organization: str
    id: int
    kind: ChannelKind
    sealed: bytes
    per_minute: int
    quiet: str | None
    failures: int
    next_try_ns: int
    queued: int
    withheld: int  # and not told of yet


def add_channel(new: NewChannel, now_ns: int) -> Statement:
    """Add a channel; returns Added, or nothing when there are too many.

    What happened before is not told on it.
    """
    return Statement(
        "add_channel",
        msgspec.structs.asdict(new) | {"now_ns": now_ns, "most": MAX_OF_AN_ORGANIZATION},
    )


async def find_channels(
    database: Database, organization: str, page: Page, channel_id: int | None = None
) -> list[ChannelRow]:
    """Return the channels of an organization, newest first, or the one of a number."""
    wanted = {"organization": organization, "id": channel_id} | msgspec.structs.asdict(page)
    return await database.read("channels", wanted, ChannelRow)


async def count_channels(database: Database, organization: str) -> int:
    """Return how many channels an organization has."""
    return (await database.read("count_channels", {"organization": organization}, Count))[0].count


async def all_channels(database: Database) -> list[OpenChannel]:
    """Return the channels of all organizations."""
    return await database.read("all_channels", {}, OpenChannel)


def delete_channel(organization: str, channel_id: int) -> tuple[Statement, Statement]:
    """Forget a channel and what waits for it."""
    which = {"organization": organization, "id": channel_id}
    return Statement("delete_channel", which), Statement("delete_notifications", which)
