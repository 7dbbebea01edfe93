"""Decisions about alerts that hold until a moment: when it has passed, the alert is active again."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

from aggregator.live import LiveFeed
from aggregator.shapes import alert_shape
from aggregator.store.alert_changes import (
    expire_decisions,
    find_changed,
    find_expired,
    new_change_id,
)
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.database import Database

log = logging.getLogger(__name__)

POLL_S: Final = 2.0
MOST_ALERTS: Final = 200  # of an organization in one turn, so that ingest has its own between them
MOST_ORGANIZATIONS: Final = 20  # in one turn: those that have waited longest


class Decisions:
    """Ends decisions about alerts by their time, and tells it.

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
            await self.expire(time.time_ns())
            await asyncio.sleep(POLL_S)

    async def expire(self, now_ns: int) -> None:
        """End what has passed, a bounded number at once; what is left waits for the next turn."""
        for organization in await find_expired(self._database, now_ns, MOST_ORGANIZATIONS):
            change_id = new_change_id()
            await self._database.write(
                *expire_decisions(organization, change_id, now_ns, MOST_ALERTS)
            )
            changed = await find_changed(self._database, organization, change_id)
            if not changed:  # somebody decided in between
                continue
            extra = {"organization": organization, "alerts": len(changed), "change": change_id}
            log.info("decisions_expired", extra=extra)
            await self._tell(organization, [key.alert_number for key in changed])

    async def _tell(self, organization: str, numbers: Sequence[int]) -> None:
        wanted = AlertFilter(numbers=list(numbers), suppressed=False)
        rows = await find_alerts(self._database, organization, wanted, limit=MOST_ALERTS)
        for row in reversed(rows):
            self._live.publish(organization, "alert_updated", alert_shape(row))
