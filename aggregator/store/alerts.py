"""Alerts: what a person should look at."""

import secrets
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from aggregator.store.counts import as_counted
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

APART_NS: Final = 24 * 3600 * 1_000_000_000  # at most, of the times at which an alert was opened


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


class Count(msgspec.Struct, frozen=True):
    """A number of rows."""

    count: int


def save_alerts(
    reported: Sequence[Reported[Alert]], community_id_seed: int = 0, *, all_new: bool = False
) -> tuple[Statement, ...]:
    """Add alerts, or bring known ones up to date; what people decided about them stays.

    One that turns out to be of another class, or graver, is active again, as a change by nobody.

    Args:
        reported: The alerts.
        community_id_seed: What other tools of the network name flows with.
        all_new: None of them is stored, so that none is counted yet.
    """
    newest = latest(reported, "alert_id")
    texts: dict[str, list[object]] = {
        name: [json_text(getattr(item.message, name)) for item in newest]
        for name in ("top_features", "counterfactual")
    }
    flows = [item.message.flow for item in newest]
    texts["clock_offset_ns"] = [item.clock_offset_ns for item in newest]
    texts["flow"] = [flow and json_text(flow) for flow in flows]
    texts["community_id"] = [flow and community_id(flow, community_id_seed) for flow in flows]
    since_ns = look_from_ns(item.message for item in newest)
    told: dict[str, object] = {
        "alert_ids": [item.message.alert_id for item in newest],
        "since_ns": since_ns,
    }
    fields = columns(newest, *_FIELDS) | texts
    save = Statement("save_alerts", {"columns": fields, "since_ns": since_ns})
    before, *rest = as_counted("note_told_alerts", told, save)
    return tuple(rest) if all_new else (before, _reopen(newest, since_ns), *rest)


def _reopen(newest: Sequence[Reported[Alert]], since_ns: int) -> Statement:
    fields = columns(newest, "alert_id", "attack_type", "severity")
    given = {"columns": fields, "since_ns": since_ns, "change_id": secrets.token_hex(16)}
    return Statement("reopen_alerts", given)


def look_from_ns(alerts: Iterable[Alert]) -> int:
    """Return since when alerts have to be looked at, by when they were opened, to find some of them.

    When an alert was opened is told the same each time, and a day is left for who is not exact. So
    what a batch costs does not grow with the years that are kept: alerts lie by time on the disk.
    """
    return max(min((alert.opened_ns for alert in alerts), default=0) - APART_NS, 0)


async def known_alerts(
    database: Database, alert_ids: Collection[str], since_ns: int
) -> set[AlertKey]:
    """Return which alerts with these ids are stored, of whatever organization.

    Args:
        database: Where they are.
        alert_ids: Which.
        since_ns: Before this none of them was opened.
    """
    sought = {"alert_ids": list(alert_ids), "since_ns": since_ns}
    return set(await database.read("known_alerts", sought, AlertKey))


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
