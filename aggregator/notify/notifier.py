"""Looks at what was stored, decides who is told, and sends it; ingest knows nothing of it."""

import asyncio
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from aggregator.errors import DeliveryError, InvalidError
from aggregator.notify.delivery import Delivery
from aggregator.notify.quiet import Minute, QuietHours
from aggregator.notify.wording import Notice, alert_text, alert_title, by_type, more_text
from aggregator.shapes import NS_PER_S, AlertShape, alert_shape, rfc3339
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.channels import OpenChannel, all_channels
from aggregator.store.database import Database
from aggregator.store.notifications import (
    DueNotification,
    NewNotification,
    NotificationState,
    Untold,
    add_notifications,
    due_notifications,
    move_channels,
    newest_news,
    settle,
    sum_up_withheld,
    untold_alerts,
    untold_turns,
    withheld_alerts,
)

log = logging.getLogger(__name__)

POLL_S: Final = 1.0
TURNS_S: Final = 2.0
MOST_AT_ONCE: Final = 2000  # alerts looked at
MOST_QUEUED: Final = 500  # of one channel, with critical alerts twice as many; more are dropped
EACH_TIME: Final = 20  # notifications of one channel before it is looked at again
AT_THE_SAME_TIME: Final = 32  # channels that are being told
FIRST_WAIT_S: Final = 5
MOST_WAIT_S: Final = 300
MOST_TRIES: Final = 6
TOO_OLD_NS: Final = 6 * 3600 * NS_PER_S
EXPIRED_NS: Final = 24 * 3600 * NS_PER_S  # longer than any quiet hours
CRITICAL: Final = "critical"

ChannelKey = tuple[str, int]


class _Minutes:
    """How often a channel may be told something: critical alerts as often again as the rest.

    Whoever attacks chooses what else is told meanwhile, and must not hide behind it.
    """

    def __init__(self, turns: int) -> None:
        self.critical = Minute(turns)
        self.rest = Minute(turns)


class Notifier:
    """Tells channels what happens, soon, not too often, and each thing once.

    What is to be told is read from the database, so that nothing is forgotten in a crash and
    nobody waits for a slow receiver.

    Args:
        database: Where alerts, channels and notifications are.
        delivery: Who carries it.
    """

    def __init__(self, database: Database, delivery: Delivery) -> None:
        self._database = database
        self._delivery = delivery
        self._minutes: dict[ChannelKey, _Minutes] = {}
        self._busy: set[ChannelKey] = set()
        self._places = asyncio.Semaphore(AT_THE_SAME_TIME)
        self._looked_for_turns_ns = 0

    async def run(self) -> None:
        """Look every second, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self.look(tasks, time.time_ns())
                await asyncio.sleep(POLL_S)

    async def look(self, tasks: asyncio.TaskGroup, now_ns: int) -> None:
        """Decide what is to be told by now, and have it sent by tasks of their own."""
        channels = await all_channels(self._database)
        if channels:
            await self._decide(channels, now_ns)
            await self._send_due(tasks, channels, now_ns)

    async def _decide(self, channels: Sequence[OpenChannel], now_ns: int) -> None:
        """Write down what each channel is to be told, and what is kept back from it."""
        upto = await newest_news(self._database)
        untold = await untold_alerts(self._database, upto, MOST_AT_ONCE)
        if len(untold) == MOST_AT_ONCE:  # the last one may be there for other channels as well
            upto = untold[-1].news - 1
        alerts = _by_channel(item for item in untold if item.news <= upto)
        turns = _by_channel(await self._turns(now_ns))
        new: list[NewNotification] = []
        sums: list[NewNotification] = []
        for channel in channels:
            key = (channel.organization, channel.id)
            desk = _Desk(channel, self._minutes_of(channel), now_ns, len(new))
            sums += desk.sum_up()
            desk.alerts(alerts[key])
            desk.turns(turns[key])
            new += desk.decided
        self._forget_gone(channels)
        await self._database.write(
            *add_notifications(new, now_ns), *map(sum_up_withheld, sums), move_channels(upto)
        )

    async def _turns(self, now_ns: int) -> list[Untold]:
        """Return what of older alerts is active again or over."""
        if now_ns - self._looked_for_turns_ns < TURNS_S * NS_PER_S:
            return []
        self._looked_for_turns_ns = now_ns
        return await untold_turns(self._database, now_ns - EXPIRED_NS, now_ns, EACH_TIME)

    def _minutes_of(self, channel: OpenChannel) -> _Minutes:
        key = (channel.organization, channel.id)
        return self._minutes.setdefault(key, _Minutes(channel.per_minute))

    def _forget_gone(self, channels: Sequence[OpenChannel]) -> None:
        there = {(channel.organization, channel.id) for channel in channels}
        self._minutes = {key: value for key, value in self._minutes.items() if key in there}

    async def _send_due(
        self, tasks: asyncio.TaskGroup, channels: Sequence[OpenChannel], now_ns: int
    ) -> None:
        due: dict[ChannelKey, list[DueNotification]] = defaultdict(list)
        for item in await due_notifications(self._database, now_ns, EACH_TIME):
            due[item.organization, item.channel_id].append(item)
        for channel in channels:
            key = (channel.organization, channel.id)
            if due[key] and key not in self._busy:
                self._busy.add(key)
                tasks.create_task(self._send(channel, due[key]), name=f"notify-{channel.id}")

    async def _send(self, channel: OpenChannel, due: Sequence[DueNotification]) -> None:
        failures = channel.failures
        try:
            async with self._places:
                for item in due:
                    failures = await self._send_one(channel, item, failures)
                    if failures:
                        return
        finally:
            self._busy.discard((channel.organization, channel.id))

    async def _send_one(self, channel: OpenChannel, item: DueNotification, failures: int) -> int:
        """Send a notification; return how often in a row the channel has failed by now."""
        try:
            notice = await self.notice(item)
            if notice is not None:
                await self._delivery.deliver(channel, notice)
        except (DeliveryError, InvalidError) as error:
            return await self._failed(channel, item, error, failures)
        if failures:
            log.info("channel_works_again", extra={"channel": channel.id})
        await self._database.write(*settle(item, "sent", time.time_ns()))
        return 0

    async def _failed(
        self,
        channel: OpenChannel,
        item: DueNotification,
        error: DeliveryError | InvalidError,
        failures: int,
    ) -> int:
        if not failures:
            log.warning("channel_fails", extra={"channel": channel.id, "why": str(error)})
        now_ns = time.time_ns()
        final = isinstance(error, InvalidError) or error.final
        given_up = final or item.tries + 1 >= MOST_TRIES or now_ns - item.created_ns > TOO_OLD_NS
        failures = 0 if final else failures + 1
        wait_s = min(FIRST_WAIT_S * 2 ** min(failures - 1, 10), MOST_WAIT_S) if failures else 0
        await self._database.write(
            *settle(
                item,
                "failed" if given_up else "queued",
                now_ns,
                error=str(error),
                failures=failures,
                next_try_ns=now_ns + wait_s * NS_PER_S,
            )
        )
        return failures

    async def notice(self, item: DueNotification) -> Notice | None:
        """Return what is to be said, as things are now; None when there is nothing left to say."""
        if item.alert_number is None:
            withheld = await withheld_alerts(self._database, item)
            if not withheld:
                return None
            title, text = "More alerts", more_text(withheld)
            return _notice(item, title, text, more=by_type(withheld))
        wanted = AlertFilter(numbers=[item.alert_number])
        rows = await find_alerts(self._database, item.organization, wanted, limit=1)
        if not rows:
            return None
        alert = alert_shape(rows[0])
        return _notice(item, alert_title(item.event, alert), alert_text(alert), alert=alert)


class _Desk:
    """Decides what one channel is told now."""

    def __init__(self, channel: OpenChannel, minutes: _Minutes, now_ns: int, number: int) -> None:
        self._channel = channel
        self._minutes = minutes
        self._now_ns = now_ns
        self._number = number  # of notifications that were made at this moment
        self._queued = channel.queued
        quiet = channel.quiet
        hours = msgspec.json.decode(quiet, type=QuietHours) if quiet else None
        self._is_quiet = hours is not None and hours.hold(now_ns)
        self.decided: list[NewNotification] = []

    def sum_up(self) -> list[NewNotification]:
        """Have it told how many were withheld, as soon as it may be told something."""
        if not self._channel.withheld or self._is_quiet or not self._may_send():
            return []
        more = NewNotification(
            notification_id=self._new_id(),
            organization=self._channel.organization,
            channel_id=self._channel.id,
            event="more",
        )
        self.decided.append(more)
        return [more]

    def alerts(self, untold: Sequence[Untold]) -> None:
        """Have it told of alerts, or keep them back."""
        for item in untold:
            self._add(item, self._state(item))

    def turns(self, untold: Sequence[Untold]) -> None:
        """Have it told what is active again or over; what may not be told now is looked for again."""
        for item in untold:
            if self._state(item) == "queued":
                self._add(item, "queued")

    def _state(self, item: Untold) -> NotificationState:
        # That something is over is never urgent: it takes no turn of what is critical.
        urgent = item.severity == CRITICAL and item.event in {"alert", "reopened"}
        if self._is_full(urgent=urgent):
            return "dropped"
        if self._is_quiet and item.severity != CRITICAL:
            return "withheld"
        return "queued" if self._may_send(urgent=urgent) else "withheld"

    def _is_full(self, *, urgent: bool) -> bool:
        return self._queued >= MOST_QUEUED * (2 if urgent else 1)

    def _may_send(self, *, urgent: bool = False) -> bool:
        minute = self._minutes.critical if urgent else self._minutes.rest
        return not self._is_full(urgent=urgent) and minute.take(self._now_ns)

    def _add(self, item: Untold, state: NotificationState) -> None:
        self._queued += state == "queued"
        self.decided.append(
            NewNotification(
                notification_id=self._new_id(),
                organization=item.organization,
                channel_id=item.channel_id,
                event=item.event,
                alert_number=item.alert_number,
                attack_type=item.attack_type,
                severity=item.severity,
                state=state,
            )
        )

    def _new_id(self) -> str:
        order = self._now_ns + self._number + len(self.decided)
        return f"{order:016x}{secrets.token_hex(8)}"


def _notice(
    item: DueNotification,
    title: str,
    text: str,
    *,
    alert: AlertShape | None = None,
    more: dict[str, int] | None = None,
) -> Notice:
    return Notice(
        id=item.notification_id,
        event=item.event,
        organization=item.organization,
        sent_at=rfc3339(time.time_ns()),
        title=title,
        text=text,
        alert=alert,
        more=more,
    )


def _by_channel(untold: Iterable[Untold]) -> dict[ChannelKey, list[Untold]]:
    found: dict[ChannelKey, list[Untold]] = defaultdict(list)
    for item in untold:
        found[item.organization, item.channel_id].append(item)
    return found
