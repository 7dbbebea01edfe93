"""Commands: what devices are told to do, and how far it has come by their own word."""

from collections.abc import Sequence
from typing import Final

import msgspec

from aggregator.store.database import Database, Statement
from aggregator.store.reported import Reported, columns
from contract.messages import CommandAck, CommandState

MAX_OPEN: Final = 64  # commands of one device that it has not answered, and as many for evidence

QUEUED, SENT, OVERDUE = 0, 1, 2
# By a device's word. A command is past its time by our clock before any of these: what the device
# says later counts, for it knows what it did.
RANKS: Final[dict[CommandState, int]] = {
    "received": 3,
    "applied": 4,
    "verified": 5,
    "failed": 5,
    "expired": 5,
}
SETTLED: Final = 5


class NewCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command to be."""

    organization: str
    device_id: str
    command_id: str
    kind: str
    isolation_id: str | None
    body: str
    payload: bytes | None
    user_id: int | None
    username: str
    expires_ns: int


class CommandRow(msgspec.Struct, frozen=True):
    """One command as it is kept."""

    device_id: str
    command_id: str
    kind: str
    isolation_id: str | None
    body: str
    state: CommandState
    rank: int
    detail: str
    user_id: int | None
    username: str
    created_ns: int
    expires_ns: int
    sends: int
    sent_ns: int | None
    told_ns: int | None

    @property
    def over(self) -> bool:
        """Whether it is past its time, or the device has said the last of it."""
        return self.rank in {OVERDUE, SETTLED}


class CommandKey(msgspec.Struct, frozen=True):
    """Which command, of all organizations."""

    organization: str
    command_id: str


class DueCommand(msgspec.Struct, frozen=True):
    """A command that is to be sent, or to be sent again."""

    organization: str
    device_id: str
    command_id: str
    payload: bytes
    expires_ns: int


class Queued(msgspec.Struct, frozen=True):
    """A command that was just added."""

    command_id: str


class _Count(msgspec.Struct, frozen=True):
    count: int


class CommandFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which commands; what is None does not matter."""

    device_id: str | None = None
    command_ids: list[str] | None = None
    isolation_id: str | None = None
    kind: str | None = None
    open_only: bool = False  # those that the device has not answered and still may
    ended_ns: int | None = None  # those that were ended at this moment, before their time
    limit: int = 100
    skip: int = 0


def add_command(new: NewCommand, now_ns: int) -> Statement:
    """Queue a command; returns Queued.

    Nothing where MAX_OPEN wait for the device, or where a release of the same isolation does. A
    release waits for no others, and what analysts ask for takes no place of what operators do.
    """
    return Statement(
        "add_command", msgspec.structs.asdict(new) | {"now_ns": now_ns, "most": MAX_OPEN}
    )


async def find_commands(
    database: Database, organization: str, wanted: CommandFilter
) -> list[CommandRow]:
    """Return commands of an organization, newest first."""
    sought = {"organization": organization} | msgspec.structs.asdict(wanted)
    return await database.read("commands", sought, CommandRow)


async def count_commands(database: Database, organization: str, wanted: CommandFilter) -> int:
    """Return how many commands of an organization there are."""
    sought = {"organization": organization} | msgspec.structs.asdict(wanted)
    del sought["limit"], sought["skip"]
    return (await database.read("count_commands", sought, _Count))[0].count


async def due_commands(
    database: Database, now_ns: int, *, again_ns: int, limit: int
) -> list[DueCommand]:
    """Return what the broker was not given yet, or what it may have lost, oldest first.

    Args:
        database: Where they are.
        now_ns: The clock.
        again_ns: How long an answer may take until a command is sent again; twice as long each time.
        limit: How many at most.
    """
    wanted = {"now_ns": now_ns, "again_ns": again_ns, "limit": limit}
    return await database.read("due_commands", wanted, DueCommand)


def note_sent(sent: DueCommand, now_ns: int) -> Statement:
    """Note that the broker has a command; one that was answered meanwhile stays where it is."""
    return Statement(
        "note_sent",
        {
            "organization": sent.organization,
            "device_id": sent.device_id,
            "command_id": sent.command_id,
            "now_ns": now_ns,
        },
    )


def expire_commands(now_ns: int) -> Statement:
    """End what nobody answered in time; returns CommandKey for each."""
    return Statement("expire_commands", {"now_ns": now_ns})


def end_commands(organization: str, device_id: str, why: str, now_ns: int) -> Statement:
    """End what a device has not answered, before its time: whoever has the name next is another.

    What the device says of it all the same counts, as for what is past its time by our clock.
    """
    who = {"organization": organization, "device_id": device_id}
    return Statement("end_commands", who | {"why": why, "now_ns": now_ns})


def move_commands(reported: Sequence[Reported[CommandAck]]) -> Statement:
    """Move commands on by their devices' word; late, twice or out of order it moves none back.

    That an order was not believed counts for the very bytes that were sent: anybody who can publish
    could have a device say it of a forgery, while it obeys the order itself.
    """
    furthest: dict[tuple[str, str, str, str | None], Reported[CommandAck]] = {}
    for item in reported:
        told = item.message
        key = (item.organization, item.device_id, told.command_id, told.declined)
        known = furthest.get(key)
        if known is None or _rank(known) < _rank(item):
            furthest[key] = item
    acks = list(furthest.values())
    moved = columns(acks, "command_id", "state", "detail", "declined")
    moved["rank"] = [_rank(item) for item in acks]
    return Statement("move_commands", moved)


def _rank(reported: Reported[CommandAck]) -> int:
    # `queued` and `sent` are ours to say: from a device they move nothing.
    return RANKS.get(reported.message.state, QUEUED)
