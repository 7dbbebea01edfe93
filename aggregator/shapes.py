"""What the API and the live feed show: rows turned into the public shapes, times as RFC 3339."""

from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from aggregator.store.alerts import AlertRow, counterfactual, flow, top_features
from aggregator.store.commands import CommandRow
from aggregator.store.devices import DeviceRow, DeviceType
from aggregator.store.incidents import STAGES, IncidentRow, IncidentStatus
from aggregator.store.isolations import DRY_RUN, IsolationRow, losses, part
from aggregator.store.users import Role, User
from contract.attacks import ATTACKS, SEVERITIES, AttackType, Severity
from contract.cuts import CutKind, Part, cut_kind
from contract.messages import CommandState, Flow, IsolationState, Loss, TopFeature

NS_PER_S = 1_000_000_000

NOBODY_CUT_OFF: Final = "dry run: nobody is cut off"

AlertStatus = Literal["active", "acknowledged", "resolved", "false_positive"]


class AlertShape(msgspec.Struct, frozen=True, kw_only=True):
    """An alert in a list or on the live feed."""

    id: int
    alert_id: str
    attack_type: AttackType
    severity: Severity
    status: str
    state: str  # open while the device sees it going on, then closed
    host: str
    src_ip: str | None
    dst_ip: str | None
    src_mac: str | None
    bridge_port: str | None
    device_id: str
    affected_device_id: str
    confidence: float
    mitigation_applied: bool
    detected_at: str
    first_seen_at: str
    last_seen_at: str
    received_at: str  # by our clock
    clock_offset_s: (
        float  # was added to the three times above, because the device's clock was wrong
    )
    acknowledged_at: str | None
    resolved_at: str | None
    windows: int
    packets: int
    reason: str  # the words of the feature that decided most
    notes: str | None
    suppressed_by: int | None  # the suppression that hides it
    incident_id: int | None
    assignee: str | None
    expires_at: str | None  # until when its status holds; then it is active again


class Mitigation(msgspec.Struct, frozen=True, kw_only=True):
    """What was done about an alert."""

    isolation_id: str
    state: IsolationState
    enforcement: str
    isolated_mac: str | None
    isolated_port: str | None
    cut: CutKind  # how much is cut off, from `rate` to the whole `port`
    part: Part | None  # of the host; None: all of it
    expires_at: str
    notes: str
    losses: list[Loss]  # services that it takes away, or would
    further_losses: int


class Evidence(msgspec.Struct, frozen=True):
    """The frames that a device keeps behind an alert."""

    sha256: str
    pcap: str  # where they are asked for


class AlertDetail(AlertShape, frozen=True, kw_only=True):
    """An alert with its reasons."""

    top_features: list[TopFeature]
    shap_values: dict[str, float]
    techniques: list[str]
    ics_techniques: list[str]
    meaning: str
    model_id: str
    evidence: Evidence | None  # None: no frames were kept
    evidence_sha256: str | None
    counterfactual: list[str] | None
    flow: Flow | None  # that shows the attack best, as its host sent it
    community_id: str | None  # of that flow
    mitigation_details: list[Mitigation]


class IncidentShape(msgspec.Struct, frozen=True, kw_only=True):
    """An incident: alerts of one host that belong together."""

    id: int
    device_id: str
    host: str
    src_ip: str | None
    status: IncidentStatus
    assignee: str | None
    severity: Severity | None  # the gravest of its alerts
    stage: AttackType | None  # how far it has come
    stages: list[AttackType]  # which it went through, in their order
    alerts: int
    active_alerts: int  # nobody has decided about
    first_seen_at: str
    last_seen_at: str


class DeviceShape(msgspec.Struct, frozen=True, kw_only=True):
    """A device."""

    id: int
    device_id: str
    name: str
    type: DeviceType
    ip_address: str | None
    mac_address: str | None
    location: str | None
    status: str
    cpu_usage: float  # 0 until it tells, as clients count on a number; null at its /health
    memory_usage: float
    temperature: float | None
    uptime: int
    version: str | None
    model_id: str | None
    mode: str | None
    models: list[str]
    lost_messages: int
    last_seen: str | None
    created_at: str
    pending: bool  # whether its keys open nothing until an admin accepts it
    drifting_since: str | None  # since when it is not what it is to be


class NewDeviceShape(DeviceShape, frozen=True, kw_only=True):
    """A device that was just enrolled, with the key that is shown once."""

    api_key: str


class IsolationShape(msgspec.Struct, frozen=True, kw_only=True):
    """An isolation."""

    id: int
    isolation_id: str
    device_id: str
    alert_id: str | None
    host: str
    isolated_mac: str | None
    isolated_ip: str | None
    isolated_port: str | None
    cut: CutKind  # how much is cut off, from `rate` to the whole `port`
    part: Part | None  # of the host; None: all of it
    reason: str
    is_active: bool
    state: IsolationState
    enforcement: str
    isolated_at: str
    lifted_at: str | None
    expires_at: str
    lifted_by_user_id: int | None
    notes: str
    losses: list[Loss]
    further_losses: int
    host_group: str | None  # in the device's settings
    alert_status: str | None  # as people have judged since


class CommandShape(msgspec.Struct, frozen=True, kw_only=True):
    """A command, and how far it has come by its device's word."""

    command_id: str
    device_id: str
    command: str
    isolation_id: str | None
    parameters: msgspec.Raw
    state: CommandState
    detail: str
    username: str
    created_at: str
    expires_at: str
    sent_at: str | None
    told_at: str | None


class UserShape(msgspec.Struct, frozen=True, kw_only=True):
    """A user."""

    id: int
    username: str
    email: str | None
    full_name: str | None
    role: Role
    is_active: bool
    organization: str
    created_at: str
    last_login: str | None


def rfc3339(ns: int) -> str:
    """Return a moment as text; whole microseconds, since JavaScript loses longer integers."""
    seconds, rest = divmod(ns, NS_PER_S)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def maybe_rfc3339(ns: int | None) -> str | None:
    """Return a moment as text, if there is one."""
    return None if ns is None else rfc3339(ns)


def alert_shape(row: AlertRow) -> AlertShape:
    """Return an alert as a list shows it."""
    return AlertShape(**_alert_fields(row, top_features(row)))


def alert_detail(row: AlertRow, isolations: list[IsolationRow]) -> AlertDetail:
    """Return an alert with its reasons and what was done about it."""
    features = top_features(row)
    attack = ATTACKS[row.attack_type]
    return AlertDetail(
        **_alert_fields(row, features),
        top_features=features,
        shap_values={feature.feature: feature.contribution for feature in features},
        techniques=list(attack.techniques),
        ics_techniques=list(attack.ics_techniques),
        meaning=attack.meaning,
        model_id=row.model_id,
        evidence=_evidence(row),
        evidence_sha256=row.evidence_sha256,
        counterfactual=[change.words for change in counterfactual(row)] or None,
        flow=flow(row),
        community_id=row.community_id,
        mitigation_details=[_mitigation(isolation) for isolation in isolations],
    )


def _evidence(row: AlertRow) -> Evidence | None:
    if row.evidence_sha256 is None:
        return None
    return Evidence(row.evidence_sha256, f"/api/v1/alerts/{row.alert_id}/pcap")


def _alert_fields(row: AlertRow, features: list[TopFeature]) -> dict[str, Any]:
    return {
        name: getattr(row, name) for name in AlertShape.__struct_fields__ if hasattr(row, name)
    } | {
        "affected_device_id": row.device_id,
        "mitigation_applied": row.mitigated,
        "detected_at": rfc3339(row.opened_ns),
        "first_seen_at": rfc3339(row.first_seen_ns),
        "last_seen_at": rfc3339(row.last_seen_ns),
        "received_at": rfc3339(row.received_ns),
        "clock_offset_s": row.clock_offset_ns / NS_PER_S,
        "acknowledged_at": maybe_rfc3339(row.acknowledged_ns),
        "resolved_at": maybe_rfc3339(row.resolved_ns),
        "expires_at": maybe_rfc3339(row.expires_ns),
        "reason": features[0].words if features else "",
    }


def _mitigation(row: IsolationRow) -> Mitigation:
    fields = _isolation_fields(row)
    return Mitigation(**{name: fields[name] for name in Mitigation.__struct_fields__})


def _cut(row: IsolationRow) -> CutKind:
    return cut_kind(part(row), whole_port=row.isolated_mac is None and row.isolated_ip is None)


def incident_shape(row: IncidentRow) -> IncidentShape:
    """Return an incident."""
    stages = sorted(row.attack_types, key=STAGES.index)
    return IncidentShape(
        id=row.id,
        device_id=row.device_id,
        host=row.host,
        src_ip=row.src_ip,
        status=row.status,
        assignee=row.assignee,
        severity=max(row.severities, key=SEVERITIES.index, default=None),
        stage=stages[-1] if stages else None,
        stages=stages,
        alerts=row.alerts,
        active_alerts=row.active_alerts,
        first_seen_at=rfc3339(row.first_ns),
        last_seen_at=rfc3339(row.last_ns),
    )


def device_shape(row: DeviceRow) -> DeviceShape:
    """Return a device."""
    return DeviceShape(
        id=row.id,
        device_id=row.device_id,
        name=row.name,
        type=row.type,
        ip_address=row.ip_address,
        mac_address=row.mac_address,
        location=row.location,
        status=row.status,
        cpu_usage=row.cpu_usage_percent or 0.0,
        memory_usage=row.memory_usage_percent or 0.0,
        temperature=row.temperature_celsius,
        uptime=row.uptime_s or 0,
        version=row.version,
        model_id=row.model_id,
        mode=row.mode,
        models=row.models or [],
        lost_messages=row.lost_messages,
        last_seen=maybe_rfc3339(row.last_seen_ns),
        created_at=rfc3339(row.created_ns),
        pending=row.pending,
        drifting_since=maybe_rfc3339(row.drifting_ns),
    )


def isolation_shape(row: IsolationRow) -> IsolationShape:
    """Return an isolation."""
    return IsolationShape(**_isolation_fields(row))


def _isolation_fields(row: IsolationRow) -> dict[str, Any]:
    return {
        name: getattr(row, name) for name in IsolationShape.__struct_fields__ if hasattr(row, name)
    } | {
        "cut": _cut(row),
        "part": part(row),
        "is_active": row.active,
        "isolated_at": rfc3339(row.isolated_ns),
        "lifted_at": maybe_rfc3339(row.lifted_ns),
        "expires_at": rfc3339(row.expires_ns),
        "lifted_by_user_id": row.lifted_by,
        "notes": _notes(row),
        "losses": losses(row),
    }


def _notes(row: IsolationRow) -> str:
    """Return what is to be said of an isolation, also to those who do not know `enforcement`."""
    dry = NOBODY_CUT_OFF if row.active and row.enforcement == DRY_RUN else ""
    return "; ".join(filter(None, (dry, row.detail)))


def command_shape(row: CommandRow) -> CommandShape:
    """Return a command."""
    return CommandShape(
        command_id=row.command_id,
        device_id=row.device_id,
        command=row.kind,
        isolation_id=row.isolation_id,
        parameters=msgspec.Raw(row.body.encode()),
        state=row.state,
        detail=row.detail,
        username=row.username,
        created_at=rfc3339(row.created_ns),
        expires_at=rfc3339(row.expires_ns),
        sent_at=maybe_rfc3339(row.sent_ns),
        told_at=maybe_rfc3339(row.told_ns),
    )


def user_shape(user: User) -> UserShape:
    """Return a user."""
    return UserShape(
        id=user.id,
        username=user.username,
        email=user.email,
        full_name=user.full_name,
        role=user.role,
        is_active=user.is_active,
        organization=user.organization,
        created_at=rfc3339(user.created_ns),
        last_login=maybe_rfc3339(user.last_login_ns),
    )
