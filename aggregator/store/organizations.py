"""Organizations: whom every row belongs to."""

import msgspec

from aggregator.store.alerts import Count
from aggregator.store.database import Database, Statement
from aggregator.store.devices import Page


class OrganizationRow(msgspec.Struct, frozen=True):
    """One organization as it is kept."""

    organization: str
    name: str
    created_ns: int


class Named(msgspec.Struct, frozen=True):
    """An organization by its identifier."""

    organization: str


async def find_organizations(
    database: Database, organization: str | None, page: Page
) -> list[OrganizationRow]:
    """Return one organization, or all of them (None), by their identifiers."""
    parameters = {"organization": organization} | msgspec.structs.asdict(page)
    return await database.read("organizations", parameters, OrganizationRow)


async def every_organization(database: Database) -> frozenset[str]:
    """Return the identifiers of all organizations."""
    rows = await database.read("every_organization", {}, Named)
    return frozenset(row.organization for row in rows)


async def count_organizations(database: Database, organization: str | None) -> int:
    """Return how many organizations there are: one, or all of them (None)."""
    rows = await database.read("count_organizations", {"organization": organization}, Count)
    return rows[0].count


def add_organization(organization: str, name: str, now_ns: int) -> Statement:
    """Add an organization; returns Named, or nothing when there is one of that identifier."""
    return Statement(
        "add_organization", {"organization": organization, "name": name, "now_ns": now_ns}
    )


def rename_organization(organization: str, name: str) -> Statement:
    """Change what an organization is called; returns Named, or nothing when there is none."""
    return Statement("rename_organization", {"organization": organization, "name": name})
