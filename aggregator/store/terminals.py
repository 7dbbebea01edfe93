"""Terminals that were opened on devices: by whom, when, and how they ended."""

import msgspec

from aggregator.store.alerts import Count
from aggregator.store.database import Database, Statement
from aggregator.store.devices import Page


class NewTerminal(msgspec.Struct, frozen=True):
    """A terminal that opens."""

    terminal_id: str
    organization: str
    device_id: str
    user_id: int
    username: str
    ssh_username: str
    opened_ns: int


class TerminalRow(NewTerminal, frozen=True):
    """A terminal as it is kept; open while `closed_ns` is None."""

    closed_ns: int | None
    reason: str | None


class Forgotten(msgspec.Struct, frozen=True):
    """A terminal that was forgotten, so that its recording may go."""

    terminal_id: str


def add_terminal(new: NewTerminal) -> Statement:
    """Write down that a terminal opens."""
    return Statement("add_terminal", msgspec.structs.asdict(new))


def close_terminal(new: NewTerminal, reason: str, closed_ns: int) -> Statement:
    """Write down how a terminal ended."""
    which = {"organization": new.organization, "terminal_id": new.terminal_id}
    return Statement("close_terminal", which | {"reason": reason, "closed_ns": closed_ns})


def close_terminals(closed_ns: int) -> Statement:
    """Write down that whatever was open when we ended is over."""
    return Statement("close_terminals", {"closed_ns": closed_ns})


def forget_terminals(organization: str, kept: int) -> Statement:
    """Forget all but the newest of an organization; returns Forgotten."""
    return Statement("forget_terminals", {"organization": organization, "kept": kept})


async def find_terminals(database: Database, organization: str, page: Page) -> list[TerminalRow]:
    """Return the terminals of an organization, newest first."""
    parameters = {
        "organization": organization,
        "terminal_id": None,
        **msgspec.structs.asdict(page),
    }
    return await database.read("terminals", parameters, TerminalRow)


async def find_terminal(
    database: Database, organization: str, terminal_id: str
) -> TerminalRow | None:
    """Return one terminal."""
    parameters = {"organization": organization, "terminal_id": terminal_id, "limit": 1, "skip": 0}
    rows = await database.read("terminals", parameters, TerminalRow)
    return rows[0] if rows else None


async def count_terminals(database: Database, organization: str) -> int:
    """Return how many terminals of an organization are known."""
    return (await database.read("count_terminals", {"organization": organization}, Count))[0].count
