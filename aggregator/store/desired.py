"""What devices are to be: a model and a mode, and since when they are something else."""

from typing import Final, Literal

import msgspec

from aggregator.store.database import Database, Statement
from aggregator.store.devices import LATE_NS, STALE_NS

SILENT_NS: Final = 10 * 60 * 1_000_000_000  # an installation of which nothing is heard any more
RECENT_NS: Final = 60 * 1_000_000_000  # between two commands for the same mode

Mode = Literal["observe", "suggest", "enforce"]


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """What a device is to be; None: whatever it is."""

    model_id: str | None
    sha256: str | None  # of the model's manifest; None: it is to take what it holds
    mode: Mode | None


class DesiredRow(msgspec.Struct, frozen=True):
    """What a device is to be, as it is kept."""

    model_id: str | None
    sha256: str | None
    mode: Mode | None
    username: str
    set_ns: int
    differs_ns: int | None


class DueModel(msgspec.Struct, frozen=True):
    """An agent that is to be told which model it is to judge with."""

    organization: str
    device_id: str
    model_id: str
    sha256: str | None
    user_id: int | None
    username: str


class DueMode(msgspec.Struct, frozen=True):
    """An agent that is to be told in which mode it is to act."""

    organization: str
    device_id: str
    mode: Mode
    user_id: int | None
    username: str


def set_desired(
    organization: str, device_id: str, desired: Desired, user: tuple[int | None, str], now_ns: int
) -> Statement:
    """Say what a device is to be from now on.

    Args:
        organization: Whose device.
        device_id: Which.
        desired: What.
        user: The number and name of who says so.
        now_ns: The clock.
    """
    given = {"organization": organization, "device_id": device_id, "now_ns": now_ns}
    given |= {"user_id": user[0], "username": user[1]}
    return Statement("set_desired", given | msgspec.structs.asdict(desired))


def delete_desired(organization: str, device_id: str) -> Statement:
    """Let a device be what it is."""
    return Statement("delete_desired", {"organization": organization, "device_id": device_id})


def note_drift(now_ns: int) -> Statement:
    """Note which devices are something else than they are to be, and which are no more."""
    return Statement("note_drift", {"now_ns": now_ns})


async def find_desired(database: Database, organization: str, device_id: str) -> DesiredRow | None:
    """Return what a device is to be, if somebody said so."""
    sought = {"organization": organization, "device_id": device_id}
    rows = await database.read("desired", sought, DesiredRow)
    return rows[0] if rows else None


async def due_models(database: Database, now_ns: int, limit: int) -> list[DueModel]:
    """Return agents that are to be told of a model."""
    return await database.read(
        "due_models", _present(now_ns, limit) | {"silent_ns": now_ns - SILENT_NS}, DueModel
    )


async def due_modes(database: Database, now_ns: int, limit: int) -> list[DueMode]:
    """Return agents that are to be told of a mode."""
    return await database.read(
        "due_modes", _present(now_ns, limit) | {"recent_ns": now_ns - RECENT_NS}, DueMode
    )


def _present(now_ns: int, limit: int) -> dict[str, int]:
    return {"late_ns": now_ns - LATE_NS, "stale_ns": now_ns - STALE_NS, "limit": limit}
