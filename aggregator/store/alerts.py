"""Alerts: what a person should look at."""

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from aggregator.store.database import Database, Statement
from aggregator.store.reported import Reported, columns, json_text, latest
from contract.attacks import AttackType, Severity
from contract.community_id import community_id
from contract.messages import Alert, Change, Flow, TopFeature

_FIELDS = (
    "alert_id",
    "state",
    "attack_type",
    "severity",
    "host",
    "src_mac",
    "src_ip",
    "dst_ip",
    "bridge_port",
    "first_seen_ns",
    "opened_ns",
    "last_seen_ns",
    "confidence",
    "windows",
    "packets",
    "model_id",
    "evidence_sha256",
)

APART_NS: Final = 24 * 3600 * 1_000_000_000  # that times at which an alert was opened may be apart


class AlertRow(msgspec.Struct, frozen=True):
    """One alert as it is kept."""

    id: int
    device_id: str
    alert_id: str
    state: str
    attack_type: AttackType
    severity: Severity
    status: str
    host: str
    src_mac: str | None
    src_ip: str | None
    dst_ip: str | None
    bridge_port: str | None
    first_seen_ns: int
    opened_ns: int
    last_seen_ns: int
    confidence: float
    windows: int
    packets: int
    top_features: str
    counterfactual: str
    flow: str | None
    community_id: str | None
    model_id: str
    evidence_sha256: str | None
    received_ns: int
    clock_offset_ns: int  # was added to the three times above
    acknowledged_ns: int | None
    acknowledged_by: int | None
    resolved_ns: int | None
    notes: str | None
    suppressed_by: int | None  # a suppression's number
    incident_id: int | None
    assignee: str | None
    expires_ns: int | None  # until when the status holds
    mitigated: bool


class AlertFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts; what is None does not matter."""

    alert_ids: list[str] | None = None
    numbers: list[int] | None = None
    status: str | None = None
    severity: str | None = None
    attack_type: str | None = None
    src_ip: str | None = None
    dst_ip: str | None = None
    host: str | None = None
    suppressed: bool | None = None
    incident_id: int | None = None
    assignee: str | None = None
    device_id: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    received_since_ns: int | None = None
    text: str | None = None


class AlertKey(msgspec.Struct, frozen=True):
    """What makes an alert one."""

    organization: str
    device_id: str
    alert_id: str

    @property
    def key(self) -> "AlertKey":
        """Return it without what else a row of the database says."""
        return AlertKey(self.organization, self.device_id, self.alert_id)


class KnownAlert(msgspec.Struct, frozen=True):
    """What is stored of an alert."""

    opened_ns: int
    hidden: bool


class GatheredAlert(AlertKey, frozen=True):
    """An alert that was just put into an incident."""

    id: int
    incident_id: int


NONE_KNOWN: Final[Mapping[AlertKey, KnownAlert]] = {}


class Count(msgspec.Struct, frozen=True):
    """A number of rows."""

    count: int


def save_alerts(
    reported: Sequence[Reported[Alert]],
    known: Mapping[AlertKey, KnownAlert] = NONE_KNOWN,
    community_id_seed: int = 0,
) -> Iterator[Statement]:
    """Add alerts, and bring known ones up to date; what people decided about these stays.

    One that turns out to be of another class, or graver, is active again, as a change by nobody.
    To plan one statement that does both takes longer than to store some alerts.

    Args:
        reported: The alerts.
        known: Those with these ids that are stored, hidden ones too.
        community_id_seed: What other tools of the network name flows with.
    """
    newest = latest(reported, "alert_id")
    old = [item for item in newest if key_of(item) in known]
    new = [item for item in newest if key_of(item) not in known]
    opened = [known[key_of(item)].opened_ns for item in old]
    since_ns = min(opened + [item.message.opened_ns for item in new])
    ids = [item.message.alert_id for item in newest]
    if known:
        yield _note(ids, since_ns, -1)
    if old:
        yield _reopen(old, since_ns)
        given = {"columns": _told(old, community_id_seed), "since_ns": since_ns}
        yield Statement("update_alerts", given)
    if new:
        yield Statement("add_alerts", {"columns": _told(new, community_id_seed)})
    yield _note(ids, since_ns, 1)


def key_of(item: Reported[Alert]) -> AlertKey:
    """Return what makes a told alert one."""
    return AlertKey(item.organization, item.device_id, item.message.alert_id)


def _told(newest: Sequence[Reported[Alert]], community_id_seed: int) -> dict[str, list[object]]:
    texts: dict[str, list[object]] = {
        name: [json_text(getattr(item.message, name)) for item in newest]
        for name in ("top_features", "counterfactual")
    }
    flows = [item.message.flow for item in newest]
    texts["clock_offset_ns"] = [item.clock_offset_ns for item in newest]
    texts["flow"] = [flow and json_text(flow) for flow in flows]
    texts["community_id"] = [flow and community_id(flow, community_id_seed) for flow in flows]
    return columns(newest, *_FIELDS) | texts


def _note(alert_ids: Sequence[str], since_ns: int, sign: int) -> Statement:
    """Count alerts with these ids, or take them off the counts before they change."""
    given = {"alert_ids": alert_ids, "since_ns": since_ns, "sign": sign}
    return Statement("note_told_alerts", given)


def _reopen(old: Sequence[Reported[Alert]], since_ns: int) -> Statement:
    fields = columns(old, "alert_id", "attack_type", "severity")
    given = {"columns": fields, "since_ns": since_ns, "change_id": secrets.token_hex(16)}
    return Statement("reopen_alerts", given)


def look_from_ns(
    told: Iterable[Reported[Alert]], known: Mapping[AlertKey, KnownAlert] = NONE_KNOWN
) -> int:
    """Return since when alerts have to be looked at, by when they were opened, to find some of them.

    When an alert was opened is told the same each time, and a day is left for who is not exact. So
    what a batch costs does not grow with the years that are kept: alerts lie by time on the disk.

    Args:
        told: The alerts.
        known: What is stored of them, where that was looked for.
    """
    opened = [min(item.message.opened_ns, item.received_ns) for item in told]
    since_ns = max(min(opened, default=0) - APART_NS, 0)
    return min([since_ns, *(alert.opened_ns for alert in known.values())])


class _Known(AlertKey, frozen=True):
    opened_ns: int
    hidden: bool


async def known_alerts(
    database: Database, alert_ids: Collection[str], since_ns: int
) -> dict[AlertKey, KnownAlert]:
    """Return what is stored of alerts with these ids, of whatever organization.

    Args:
        database: Where they are.
        alert_ids: Which.
        since_ns: Before this none of them was both opened and told for the first time.
    """
    sought = {"alert_ids": list(alert_ids), "since_ns": since_ns}
    return {
        row.key: KnownAlert(row.opened_ns, row.hidden)
        for row in await database.read("known_alerts", sought, _Known)
    }


async def find_alerts(
    database: Database, organization: str, wanted: AlertFilter, *, limit: int, skip: int = 0
) -> list[AlertRow]:
    """Return alerts of an organization, newest first."""
    parameters = _parameters(organization, wanted) | {"limit": limit, "skip": skip}
    return await database.read("alerts", parameters, AlertRow)


async def next_alerts(
    database: Database, organization: str, wanted: AlertFilter, *, after: int, limit: int
) -> list[AlertRow]:
    """Return alerts of an organization in the order in which they came.

    Args:
        database: Where they are.
        organization: Whose.
        wanted: Which.
        after: The number behind which to go on.
        limit: How many at most.
    """
    parameters = _parameters(organization, wanted) | {"after": after, "limit": limit}
    return await database.read("export_alerts", parameters, AlertRow)


async def count_alerts(database: Database, organization: str, wanted: AlertFilter) -> int:
    """Return how many alerts of an organization there are."""
    rows = await database.read("count_alerts", _parameters(organization, wanted), Count)
    return rows[0].count


def top_features(row: AlertRow) -> list[TopFeature]:
    """Return the features that decided."""
    return msgspec.json.decode(row.top_features, type=list[TopFeature])


def counterfactual(row: AlertRow) -> list[Change]:
    """Return what would have made the verdict benign."""
    return msgspec.json.decode(row.counterfactual, type=list[Change])


def flow(row: AlertRow) -> Flow | None:
    """Return the flow that shows the attack best, where its device named one."""
    return None if row.flow is None else msgspec.json.decode(row.flow, type=Flow)


def _parameters(organization: str, wanted: AlertFilter) -> dict[str, object]:
    return {"organization": organization} | msgspec.structs.asdict(wanted)
