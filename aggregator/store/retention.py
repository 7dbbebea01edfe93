"""What is kept how long: days leave the database for the archive, and the archive when it is too large."""

import asyncio
import logging
import time
from collections.abc import Sequence

import msgspec

from aggregator.config import StoreConfig
from aggregator.errors import RefusedError
from aggregator.store.archive import GROWING, Archive, Part, day_before
from aggregator.store.counts import forget_counts
from aggregator.store.database import Database, Statement
from aggregator.store.notifications import forget_notifications
from aggregator.store.room import Room
from aggregator.store.telemetry import MAX_SENSORS
from aggregator.store.usage import Keeping, find_keeping
from aggregator.store.watermarks import forget_marks

log = logging.getLogger(__name__)

INTERVAL_S = 3600.0
NS_PER_S = 1_000_000_000
DAY_S = 24 * 3600
KEEP_SENT_DAYS = 30  # notifications, of whose alerts it may still be told that they are over
KEEP_UNSENT_DAYS = 2
HOURS_DAYS = 91  # that counts by hour are kept at least: trends go back 90 days


class _Organization(msgspec.Struct, frozen=True):
    name: str


class Retention:
    """Keeps the database small and the archive within its bounds."""

    def __init__(
        self, database: Database, archive: Archive, config: StoreConfig, room: Room
    ) -> None:
        self._database = database
        self._archive = archive
        self._config = config
        self._room = room

    async def run(self) -> None:
        """Do it at once and then every hour, for ever."""
        while True:
            await self.apply(time.time_ns())
            await asyncio.sleep(INTERVAL_S)

    async def apply(self, now_ns: int) -> None:
        """Write what is not in the archive yet, and forget what is too old or too much.

        On a full disk nothing is written; what is to go from the archive goes.
        """
        plans = await find_keeping(self._database)
        if self._room.is_enough():
            await self._move(now_ns, plans)
        await self._drop_old(now_ns, plans)
        await self._drop_beyond_size(now_ns)

    async def _move(self, now_ns: int, plans: Sequence[Keeping]) -> None:
        for organization in await self._organizations():
            try:
                await self._archive.write(organization)
            except RefusedError:  # for what its devices claim: the others' days go on
                log.exception("not_archived", extra={"organization": organization})
        midnight_ns = now_ns - now_ns % (DAY_S * NS_PER_S)
        before_ns = midnight_ns - self._config.hot_days * DAY_S * NS_PER_S
        await self._forget_archived(before_ns)
        old_ns = now_ns - self._config.keep_alerts_days * DAY_S * NS_PER_S
        await self._forget_alerts(old_ns)
        for plan in plans:
            if plan.keep_days is not None and plan.keep_days < self._config.hot_days:
                begin_ns = midnight_ns - plan.keep_days * DAY_S * NS_PER_S
                await self._forget_archived(begin_ns, plan.organization)
            if plan.keep_days is not None:
                await self._trim_last_readings(now_ns, plan.keep_days, plan.organization)
            if plan.keep_alerts_days is not None:
                begin_ns = now_ns - plan.keep_alerts_days * DAY_S * NS_PER_S
                await self._forget_alerts(begin_ns, plan.organization)
        await self._trim_last_readings(now_ns, self._config.keep_days)
        await self._database.write(
            Statement("forget_incidents", {}),
            Statement("forget_alert_changes", {}),
            forget_marks(now_ns - self._longest_days() * DAY_S * NS_PER_S),
            Statement("forget_judges", {}),
            Statement("forget_suppressions", {"before_ns": old_ns}),
            forget_notifications(
                now_ns - KEEP_SENT_DAYS * DAY_S * NS_PER_S,
                now_ns - KEEP_UNSENT_DAYS * DAY_S * NS_PER_S,
            ),
            *forget_counts(
                now_ns,
                minutes_days=self._config.hot_days + 1,
                hours_days=max(self._config.keep_days, HOURS_DAYS),
                days_days=self._config.keep_alerts_days,
            ),
        )

    def _longest_days(self) -> int:
        # One more than anything is kept that is stored as it comes: the archive goes by whole days.
        return max(self._config.keep_days, self._config.keep_alerts_days, HOURS_DAYS) + 1

    async def _forget_archived(self, before_ns: int, organization: str | None = None) -> None:
        bounds = {"before_ns": before_ns, "organization": organization}
        left = {"day": day_before(before_ns, 0), "organization": organization}
        for view in GROWING:
            kept = [Statement("keep_last_readings", bounds)] if view == "readings" else []
            await self._database.write(
                *kept,
                Statement(f"forget_archived_{view}", bounds),
                Statement("note_left", {**left, "view": view}),
            )

    async def _trim_last_readings(
        self, now_ns: int, keep_days: int, organization: str | None = None
    ) -> None:
        before_ns = now_ns - keep_days * DAY_S * NS_PER_S
        bounds = {"before_ns": before_ns, "most": MAX_SENSORS, "organization": organization}
        await self._database.write(Statement("trim_last_readings", bounds))

    async def _forget_alerts(self, before_ns: int, organization: str | None = None) -> None:
        bounds = {"before_ns": before_ns, "organization": organization}
        await self._database.write(
            Statement("note_forgotten_alerts", bounds),
            Statement("forget_alerts", bounds),
            Statement("forget_isolations", bounds),
            Statement("forget_commands", bounds),
        )

    async def _organizations(self) -> list[str]:
        rows = await self._database.read("organizations_to_archive", {}, _Organization)
        return [row.name for row in rows]

    async def _drop_old(self, now_ns: int, plans: Sequence[Keeping]) -> None:
        most = self._config.keep_days
        kept = {plan.organization: min(plan.keep_days or most, most) for plan in plans}
        first = {days: day_before(now_ns, days) for days in {most, *kept.values()}}
        parts = await self._archive.parts()
        old = [part for part in parts if part.day < first[kept.get(part.organization, most)]]
        await self._drop(old, "age")

    async def _drop_beyond_size(self, now_ns: int) -> None:
        parts = await self._archive.parts()
        beyond = sum(part.file_bytes for part in parts) - self._config.max_archive_bytes
        hot = day_before(now_ns, self._config.hot_days)
        days: set[str] = set()
        for part in parts:  # oldest day first
            if part.day >= hot or (beyond <= 0 and part.day not in days):
                break
            beyond -= part.file_bytes
            days.add(part.day)
        await self._drop([part for part in parts if part.day in days], "size")

    async def _drop(self, parts: Sequence[Part], why: str) -> None:
        if not parts:
            return
        await self._archive.drop(parts)
        extra = {
            "why": why,
            "days": sorted({part.day for part in parts}),
            "rows": sum(part.rows for part in parts),
            "bytes": sum(part.file_bytes for part in parts),
        }
        log.info("archive_days_dropped", extra=extra)
