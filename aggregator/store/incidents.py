"""Incidents: alerts of one host that belong together, and who works on them."""

from typing import Final, Literal

import msgspec

from aggregator.store.alerts import Count
from aggregator.store.database import Database, Statement
from contract.attacks import AttackType, Severity

GATHER_TOLD: Final = "gather_told_alerts"

IncidentStatus = Literal["open", "investigating", "closed"]

# How far an attacker has come, in the order in which it usually goes on.
STAGES: Final[tuple[AttackType, ...]] = (
    *("Anomaly", "Scan", "BruteForce", "Botnet", "MITM", "Replay", "DOS"),
)


class IncidentRow(msgspec.Struct, frozen=True):
    """One incident as it is kept, with what its alerts say."""

    id: int
    device_id: str
    host: str
    first_ns: int
    last_ns: int
    status: IncidentStatus
    assignee: str | None
    alerts: int
    active_alerts: int
    attack_types: list[AttackType]
    severities: list[Severity]
    src_ip: str | None


class IncidentFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which incidents; what is None does not matter."""

    ids: list[int] | None = None
    status: IncidentStatus | None = None
    device_id: str | None = None
    host: str | None = None
    assignee: str | None = None


def gather(since_ns: int) -> tuple[Statement, ...]:
    """Put alerts that belong to no incident yet into one, and let these reach as far as they do.

    Args:
        since_ns: Before this none was opened of those that were told or shown just now.
    """
    return Statement("gather_alerts", {}), _stretch(since_ns)


def gather_told(since_ns: int) -> tuple[Statement, ...]:
    """Do the same; the first statement returns GatheredAlert for each."""
    return Statement(GATHER_TOLD, {}), _stretch(since_ns)


def _stretch(since_ns: int) -> Statement:
    return Statement("stretch_incidents", {"since_ns": since_ns})


async def find_incidents(
    database: Database, organization: str, wanted: IncidentFilter, *, limit: int, skip: int = 0
) -> list[IncidentRow]:
    """Return incidents of an organization, those first that went on last."""
    sought = _parameters(organization, wanted) | {"limit": limit, "skip": skip}
    return await database.read("incidents", sought, IncidentRow)


async def count_incidents(database: Database, organization: str, wanted: IncidentFilter) -> int:
    """Return how many incidents of an organization there are."""
    return (await database.read("count_incidents", _parameters(organization, wanted), Count))[
        0
    ].count


def change_incident(
    organization: str, incident_id: int, status: IncidentStatus | None, assignee: str | None
) -> Statement:
    """Change what is given; the assignee "" is nobody."""
    return Statement(
        "change_incident",
        {
            "organization": organization,
            "id": incident_id,
            "status": status,
            "assignee": assignee,
        },
    )


async def is_assignable(database: Database, organization: str, username: str) -> bool:
    """Return whether work can be given to somebody: an active user who may do it."""
    sought = {"organization": organization, "username": username}
    return (await database.read("assignable", sought, Count))[0].count > 0


def _parameters(organization: str, wanted: IncidentFilter) -> dict[str, object]:
    return {"organization": organization} | msgspec.structs.asdict(wanted)
