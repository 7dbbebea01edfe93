"""What was stored, told to those who watch, in the shapes of the API."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from aggregator.ingest.storing import AnyReported, of_kind
from aggregator.live import EventKind, LiveFeed
from aggregator.samples import Detection, packet_told, readings_told
from aggregator.shapes import (
    NS_PER_S,
    AlertShape,
    alert_shape,
    device_shape,
    incident_shape,
    isolation_shape,
    rfc3339,
)
from aggregator.store.alerts import (
    NONE_KNOWN,
    AlertFilter,
    AlertKey,
    AlertRow,
    GatheredAlert,
    KnownAlert,
    find_alerts,
    key_of,
    look_from_ns,
)
from aggregator.store.database import Database
from aggregator.store.devices import find_devices
from aggregator.store.incidents import IncidentFilter, find_incidents
from aggregator.store.isolations import IsolationFilter, find_isolations
from aggregator.store.reported import Reported
from aggregator.store.verdicts import confidences
from contract.attacks import BENIGN
from contract.messages import Alert, Health, Isolation, PacketSample, Readings, VerdictBatch

DECISIONS: Final = "alert_changes"  # the table
INCIDENTS_EVERY_S: Final = 1.0
INCIDENTS_AT_ONCE: Final = 1000
_AS_TOLD: Final = tuple(
    name for name in AlertShape.__struct_fields__ if name in Alert.__struct_fields__
)


class Gathered(msgspec.Struct, frozen=True):
    """What a transaction put into incidents."""

    alerts: dict[AlertKey, GatheredAlert]
    decisions: int  # transactions with decisions of people on alerts, before it


class ToldAlerts(msgspec.Struct, frozen=True):
    """The alerts that some reports change."""

    told: dict[AlertKey, Reported[Alert]]  # the last word on each
    isolated: set[AlertKey]
    since_ns: int  # before this none of them was opened

    @property
    def keys(self) -> set[AlertKey]:
        """All of them."""
        return self.told.keys() | self.isolated


def alerts_in(
    reported: Sequence[AnyReported], known: Mapping[AlertKey, KnownAlert] = NONE_KNOWN
) -> ToldAlerts:
    """Return the alerts that some reports change.

    An isolation changes what its alert says about mitigation, and does not say when that was opened.
    """
    told = {key_of(item): item for item in of_kind(reported, Alert)}
    isolated = {
        AlertKey(item.organization, item.device_id, item.message.alert_id)
        for item in of_kind(reported, Isolation)
        if item.message.alert_id
    }
    since_ns = look_from_ns(told.values(), known) if isolated <= told.keys() else 0
    return ToldAlerts(told, isolated, since_ns)


class Announcer:
    """Tells the live feed what was stored.

    Args:
        database: Where it was stored.
        live: Who is told.
    """

    def __init__(self, database: Database, live: LiveFeed) -> None:
        self._database = database
        self._live = live
        self._grown: dict[str, set[int]] = {}  # incidents of each organization
        self._has_grown = asyncio.Event()

    async def announce(
        self,
        reported: Sequence[AnyReported],
        known: Mapping[AlertKey, KnownAlert],
        gathered: Gathered,
        now_ns: int,
    ) -> None:
        """Tell about a batch that is stored.

        Args:
            reported: What the batch brought.
            known: The alerts that were stored before it.
            gathered: What it put into incidents.
            now_ns: The centre's clock.
        """
        for organization in {item.organization for item in reported}:
            own = [item for item in reported if item.organization == organization]
            await self._alerts(organization, own, known, gathered)
            await self._isolations(organization, of_kind(own, Isolation), now_ns)
            devices = {item.device_id for item in of_kind(own, Health)}
            await self._devices(organization, devices, now_ns)
            for batch in of_kind(own, VerdictBatch):
                self._detections(batch)
            for told in of_kind(own, Readings):
                self._live.publish(
                    organization, "readings", readings_told(told), device_id=told.device_id
                )
            for sample in of_kind(own, PacketSample):
                self._live.publish(
                    organization, "packet", packet_told(sample), device_id=sample.device_id
                )

    async def tell_incidents(self) -> None:
        """Tell for ever which incidents began or grew; each grows with every alert, and is told now and then."""
        while True:
            await self._has_grown.wait()
            self._has_grown.clear()
            grown, self._grown = self._grown, {}
            for organization, found in grown.items():
                numbers = sorted(found)
                for begin in range(0, len(numbers), INCIDENTS_AT_ONCE):
                    some = numbers[begin : begin + INCIDENTS_AT_ONCE]
                    await self._incidents(organization, some)
            await asyncio.sleep(INCIDENTS_EVERY_S)

    async def _alerts(
        self,
        organization: str,
        reported: Sequence[AnyReported],
        known: Mapping[AlertKey, KnownAlert],
        gathered: Gathered,
    ) -> None:
        told = alerts_in(reported, known)
        # Nobody isolated what was just added: it is kept as it was told. (An isolation that was kept
        # before its alert, whose first message was lost, shows with the next message on it.)
        added = told.told.keys() - known.keys() - told.isolated
        rows = await self._rows(organization, told.keys - added, told.since_ns)
        if added and self._database.changes(DECISIONS) != gathered.decisions:
            # Somebody may have decided about it by now.
            added, rows = set(), await self._rows(organization, told.keys, told.since_ns)
        events: list[tuple[int, EventKind, AlertShape]] = [
            (item.message.opened_ns, "new_alert", _new_alert_shape(item, place))
            for key, item in told.told.items()
            if key in added
            and (place := gathered.alerts.get(key)) is not None  # else it is hidden
        ]
        for row in rows:
            before = known.get(AlertKey(organization, row.device_id, row.alert_id))
            # One that was hidden so far is news to who watches.
            is_new = before is None or before.hidden
            shape = alert_shape(row)
            events.append((row.opened_ns, "new_alert" if is_new else "alert_updated", shape))
        for _, kind, shape in sorted(events, key=lambda event: (event[0], event[2].id)):
            self._live.publish(organization, kind, shape)
        grown = {shape.incident_id for *_, shape in events if shape.incident_id is not None}
        if grown:
            self._grown.setdefault(organization, set()).update(grown)
            self._has_grown.set()

    async def _rows(
        self, organization: str, wanted: Collection[AlertKey], since_ns: int
    ) -> list[AlertRow]:
        if not wanted:
            return []
        ids = [key.alert_id for key in wanted]
        sought = AlertFilter(alert_ids=ids, suppressed=False, since_ns=since_ns)
        rows = await find_alerts(self._database, organization, sought, limit=len(ids) * 2)
        return [
            row for row in rows if AlertKey(organization, row.device_id, row.alert_id) in wanted
        ]

    async def _incidents(self, organization: str, numbers: list[int]) -> None:
        wanted = IncidentFilter(ids=numbers)
        rows = await find_incidents(self._database, organization, wanted, limit=len(numbers))
        for row in reversed(rows):
            self._live.publish(organization, "incident", incident_shape(row))

    async def _isolations(
        self, organization: str, reported: Sequence[Reported[Isolation]], now_ns: int
    ) -> None:
        if not reported:
            return
        ids = [item.message.isolation_id for item in reported]
        wanted = IsolationFilter(isolation_ids=ids)
        rows = await find_isolations(self._database, organization, wanted, now_ns=now_ns)
        for row in reversed(rows):
            self._live.publish(organization, "isolation", isolation_shape(row))

    async def _devices(self, organization: str, device_ids: set[str], now_ns: int) -> None:
        if not device_ids or not self._live.is_watched(organization, "device_health"):
            return
        rows = await find_devices(
            self._database, organization, now_ns=now_ns, device_ids=list(device_ids)
        )
        for row in rows:
            self._live.publish(
                organization, "device_health", device_shape(row), device_id=row.device_id
            )

    def _detections(self, reported: Reported[VerdictBatch]) -> None:
        batch = reported.message
        if batch.label.count(BENIGN) == len(batch.label):
            return
        scores = confidences(batch)
        window_s = batch.window_ns / NS_PER_S
        for row, label in enumerate(batch.label):
            if label == BENIGN:
                continue
            detection = Detection(
                device_id=reported.device_id,
                detected_at=rfc3339(batch.window_start_ns[row] + batch.window_ns),
                host=batch.host[row],
                src_ip=batch.src_ip[row],
                dst_ip=batch.dst_ip[row],
                attack_type=label,
                confidence=scores[row],
                packets=batch.packets[row],
            )
            self._live.publish(reported.organization, "detection", detection, window_s=window_s)


def _new_alert_shape(told: Reported[Alert], gathered: GatheredAlert) -> AlertShape:
    """Return an alert that was just added, and that nobody has isolated or decided on.

    What the database would answer, which takes as long as to store it.
    """
    alert = told.message
    return AlertShape(
        **{name: getattr(alert, name) for name in _AS_TOLD},
        id=gathered.id,
        status="active",
        device_id=told.device_id,
        affected_device_id=told.device_id,
        mitigation_applied=False,
        detected_at=rfc3339(alert.opened_ns),
        first_seen_at=rfc3339(alert.first_seen_ns),
        last_seen_at=rfc3339(alert.last_seen_ns),
        received_at=rfc3339(told.received_ns),
        clock_offset_s=told.clock_offset_ns / NS_PER_S,
        reason=alert.top_features[0].words if alert.top_features else "",
        incident_id=gathered.incident_id,
        acknowledged_at=None,
        resolved_at=None,
        notes=None,
        suppressed_by=None,
        assignee=None,
        expires_at=None,
    )
