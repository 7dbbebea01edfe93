"""What was stored, told to those who watch, in the shapes of the API."""

from collections.abc import Mapping, Sequence

import msgspec

from aggregator.ingest.storing import AnyReported, of_kind
from aggregator.live import EventKind, LiveFeed
from aggregator.samples import Detection, packet_told, readings_told
from aggregator.shapes import (
    NS_PER_S,
    alert_shape,
    device_shape,
    incident_shape,
    isolation_shape,
    rfc3339,
)
from aggregator.store.alerts import AlertFilter, AlertKey, KnownAlert, find_alerts, look_from_ns
from aggregator.store.database import Database
from aggregator.store.devices import find_devices
from aggregator.store.incidents import IncidentFilter, find_incidents
from aggregator.store.isolations import IsolationFilter, find_isolations
from aggregator.store.reported import Reported
from aggregator.store.verdicts import confidences
from contract.attacks import BENIGN
from contract.messages import Alert, Health, Isolation, PacketSample, Readings, VerdictBatch


class ToldAlerts(msgspec.Struct, frozen=True):
    """The alerts that some reports change."""

    keys: set[tuple[str, str]]  # device and id
    since_ns: int  # before this none of them was opened

    @property
    def ids(self) -> list[str]:
        """Their ids, of whatever device."""
        return [alert_id for _, alert_id in self.keys]


def alerts_in(reported: Sequence[AnyReported]) -> ToldAlerts:
    """Return the alerts that some reports change.

    An isolation changes what its alert says about mitigation, and does not say when that was opened.
    """
    alerts = of_kind(reported, Alert)
    told = {(item.device_id, item.message.alert_id) for item in alerts}
    isolated = {
        (item.device_id, item.message.alert_id)
        for item in of_kind(reported, Isolation)
        if item.message.alert_id
    }
    since_ns = look_from_ns(item.message for item in alerts) if isolated <= told else 0
    return ToldAlerts(told | isolated, since_ns)


class Announcer:
    """Tells the live feed what was stored."""

    def __init__(self, database: Database, live: LiveFeed) -> None:
        self._database = database
        self._live = live

    async def announce(
        self, reported: Sequence[AnyReported], known: Mapping[AlertKey, KnownAlert], now_ns: int
    ) -> None:
        """Tell about a batch that is stored.

        Args:
            reported: What the batch brought.
            known: The alerts that were stored before it.
            now_ns: The centre's clock.
        """
        for organization in {item.organization for item in reported}:
            own = [item for item in reported if item.organization == organization]
            await self._alerts(organization, own, known)
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

    async def _alerts(
        self,
        organization: str,
        reported: Sequence[AnyReported],
        known: Mapping[AlertKey, KnownAlert],
    ) -> None:
        told = alerts_in(reported)
        if not told.keys:
            return
        wanted = AlertFilter(alert_ids=told.ids, suppressed=False, since_ns=told.since_ns)
        rows = await find_alerts(self._database, organization, wanted, limit=len(told.keys) * 2)
        for row in reversed(rows):
            if (row.device_id, row.alert_id) in told.keys:
                key = AlertKey(organization, row.device_id, row.alert_id)
                before = known.get(key)
                # One that was hidden so far is news to who watches.
                is_new = before is None or before.hidden
                kind: EventKind = "new_alert" if is_new else "alert_updated"
                self._live.publish(organization, kind, alert_shape(row))
        touched = sorted({row.incident_id for row in rows if row.incident_id is not None})
        await self._incidents(organization, touched)

    async def _incidents(self, organization: str, numbers: list[int]) -> None:
        if not numbers:
            return
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
