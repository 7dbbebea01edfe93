"""Alerts that go on after the suppression that hid them: they come to light, and it is told."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

from aggregator.live import LiveFeed
from aggregator.shapes import alert_shape, incident_shape
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.database import Database
from aggregator.store.incidents import IncidentFilter, find_incidents
from aggregator.store.suppressions import find_outlived, find_outliving, show_outlived

log = logging.getLogger(__name__)

POLL_S: Final = 2.0
MOST_ALERTS: Final = 200  # of an organization in one turn, so that ingest has its own between them
MOST_ORGANIZATIONS: Final = 20  # in one turn: those that have waited longest


class Uncovering:
    """Shows alerts that were not over when what hid them was, and tells of them as of new ones.

    Args:
        database: Where they are.
        live: Who tells it.
    """

    def __init__(self, database: Database, live: LiveFeed) -> None:
        self._database = database
        self._live = live

    async def run(self) -> None:
        """Look every two seconds, for ever."""
        while True:
            await self.look(time.time_ns())
            await asyncio.sleep(POLL_S)

    async def look(self, now_ns: int) -> None:
        """Show what has outlived its suppression, a bounded number at once; the rest in the next turn."""
        for organization in await find_outliving(self._database, now_ns, MOST_ORGANIZATIONS):
            await self.show(organization, now_ns)

    async def show(self, organization: str, now_ns: int) -> None:
        """Do so for one organization."""
        outlived = await find_outlived(self._database, organization, now_ns, MOST_ALERTS)
        if not outlived:
            return
        await self._database.write(*show_outlived(organization, outlived, now_ns))
        log.info("alerts_uncovered", extra={"organization": organization, "alerts": len(outlived)})
        await self._tell(organization, [each.number for each in outlived])

    async def _tell(self, organization: str, numbers: Sequence[int]) -> None:
        shown = AlertFilter(numbers=list(numbers), suppressed=False)
        rows = await find_alerts(self._database, organization, shown, limit=len(numbers))
        for row in reversed(rows):
            self._live.publish(organization, "new_alert", alert_shape(row))
        grown = IncidentFilter(ids=sorted({row.incident_id for row in rows if row.incident_id}))
        incidents = await find_incidents(self._database, organization, grown, limit=len(numbers))
        for incident in reversed(incidents):
            self._live.publish(organization, "incident", incident_shape(incident))
