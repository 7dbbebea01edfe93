"""Gaps: what devices told and we do not have, because they gave it up, still hold it, or it was refused."""

import msgspec

from aggregator.store.database import Database

FRESH_NS = 60 * 1_000_000_000  # a report that is younger says nothing about waiting


class GapRow(msgspec.Struct, frozen=True):
    """What is missing of one device."""

    device_id: str
    lost: int
    queued: int  # by its last report
    reported_ns: int | None  # when that was written
    refused: int  # of the rejects that are kept

    def oldest_ns(self, now_ns: int) -> int:
        """Return how old what waits is at most; 0 when nothing waits.

        Messages come in the order in which they were written, so what waits is younger than the
        newest that came.
        """
        if self.reported_ns is None:
            return 0
        age_ns = max(0, now_ns - self.reported_ns)
        return age_ns if self.queued or age_ns > FRESH_NS else 0


async def find_gaps(
    database: Database, organization: str, *, limit: int, skip: int = 0
) -> list[GapRow]:
    """Return what is missing of the devices of an organization."""
    parameters = {"organization": organization, "limit": limit, "skip": skip}
    return await database.read("gaps", parameters, GapRow)
