"""/api/v1/alerts: what a person should look at, why, and what they decided."""

import secrets
import time
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import Parameter

from aggregator.addresses import GivenIp, GivenMac, as_ip, as_mac
from aggregator.api.devices import GivenDeviceId
from aggregator.api.identity import ANALYST, STORES, ApiRequest, person
from aggregator.api.paging import Limit, Skip, Text, paged
from aggregator.api.times import to_ns
from aggregator.errors import InvalidError, NotFoundError
from aggregator.live import LiveFeed
from aggregator.shapes import (
    AlertDetail,
    AlertShape,
    AlertStatus,
    alert_detail,
    alert_shape,
)
from aggregator.store.alert_changes import AlertChange, change_alerts, new_change_id
from aggregator.store.alerts import (
    AlertFilter,
    AlertRow,
    count_alerts,
    find_alerts,
    look_from_ns,
    save_alerts,
)
from aggregator.store.audit import audit
from aggregator.store.database import Database
from aggregator.store.devices import Page, find_devices
from aggregator.store.incidents import gather
from aggregator.store.isolations import IsolationFilter, find_isolations
from aggregator.store.reported import Reported
from contract.attacks import ATTACKS, AttackType, Severity
from contract.identifiers import Probability
from contract.messages import Alert, Name, Number, TopFeature

MOST_FEATURES = 10
MAX_DEVICES = 100_000  # among which a number is looked for
BY_HAND = "manual"  # the device and the model of an alert that no device told


Features = Annotated[list[TopFeature], msgspec.Meta(max_length=MOST_FEATURES)]
Weights = Annotated[dict[Name, Number], msgspec.Meta(max_length=300)]  # by feature
JsonText = Annotated[str, msgspec.Meta(max_length=32_768)]  # the same, as other servers want it

_FEATURES = msgspec.json.Decoder[list[TopFeature] | None](Features | None)
_WEIGHTS = msgspec.json.Decoder[dict[str, float] | None](Weights | None)

T = TypeVar("T")


class AlertGiven(msgspec.Struct, frozen=True):
    """An alert that a person or a program tells; at least one address of the suspect is known."""

    attack_type: AttackType
    severity: Severity | None = None  # None: as grave as this attack usually is
    src_ip: GivenIp | None = None
    src_mac: GivenMac | None = None
    dst_ip: GivenIp | None = None
    confidence: Probability = 1.0
    affected_device_id: int | GivenDeviceId | None = None  # by number or by name; None: no device
    detected_at: datetime | None = None
    top_features: Features | JsonText | None = None
    shap_values: Weights | JsonText | None = None  # those that weigh most are kept
    notes: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None


@get("/")
async def list_alerts(  # noqa: PLR0913  one parameter for each filter
    request: ApiRequest,
    database: NamedDependency[Database],
    *,
    status: AlertStatus | None = None,
    severity: Severity | None = None,
    attack_type: Text = None,
    src_ip: Text = None,
    device_id: Text = None,
    since: datetime | None = None,
    until: datetime | None = None,
    q: Text = None,
    suppressed: bool = False,
    incident_id: Annotated[int | None, Parameter(ge=1, le=2**53)] = None,
    assignee: Text = None,
    skip: Skip = 0,
    limit: Limit = 50,
) -> Response[list[AlertShape]]:
    """Return alerts, newest first; X-Total-Count says how many there are in all.

    Those that a suppression hides are left out, or with `suppressed` they alone are returned.
    """
    wanted = AlertFilter(
        status=status,
        severity=severity,
        attack_type=attack_type,
        src_ip=as_ip("src_ip", src_ip),
        device_id=device_id,
        since_ns=to_ns(since),
        until_ns=to_ns(until),
        text=q,
        suppressed=suppressed,
        incident_id=incident_id,
        assignee=assignee,
    )
    organization = request.user.organization
    rows = await find_alerts(database, organization, wanted, limit=limit, skip=skip)
    total = await count_alerts(database, organization, wanted)
    return paged([alert_shape(row) for row in rows], total)


@get("/{alert_id:str}")
async def get_alert(
    request: ApiRequest, alert_id: str, database: NamedDependency[Database]
) -> AlertDetail:
    """Return an alert with the features that decided and what was done about it."""
    organization = request.user.organization
    row = await find_alert(database, organization, alert_id)
    isolations = await find_isolations(
        database, organization, IsolationFilter(alert_id=alert_id), now_ns=time.time_ns()
    )
    own = [isolation for isolation in isolations if isolation.device_id == row.device_id]
    return alert_detail(row, own)


@post("/", opt=ANALYST | STORES)
async def post_alert(
    request: ApiRequest,
    data: AlertGiven,
    database: NamedDependency[Database],
    live: NamedDependency[LiveFeed],
) -> AlertShape:
    """Add an alert by hand."""
    who = person(request)
    now_ns = time.time_ns()
    device_id = await _device_id(database, who.organization, data.affected_device_id)
    detected_ns = to_ns(data.detected_at)
    alert = _by_hand(data, now_ns if detected_ns is None else detected_ns)
    told = Reported(who.organization, device_id, "", now_ns, alert)
    await database.write(
        *save_alerts([told]),
        *gather(look_from_ns([told])),
        audit(who.user, "alert.create", alert.alert_id, now_ns=now_ns, after=data),
    )
    row = await find_alert(database, who.organization, alert.alert_id)
    if data.notes is not None:
        notes = AlertChange(notes=data.notes)
        change_id = new_change_id()
        await database.write(*change_alerts(who.user, change_id, [row.id], notes, now_ns))
        row = await find_alert(database, who.organization, alert.alert_id)
    if row.suppressed_by is None:
        live.publish(who.organization, "new_alert", alert_shape(row))
    return alert_shape(row)


async def find_alert(database: Database, organization: str, alert_id: str) -> AlertRow:
    """Return an alert.

    Raises:
        NotFoundError: There is none of that name in the organization.
    """
    wanted = AlertFilter(alert_ids=[alert_id])
    rows = await find_alerts(database, organization, wanted, limit=1)
    if not rows:
        message = "no such alert"
        raise NotFoundError(message)
    return rows[0]


async def _device_id(database: Database, organization: str, given: int | str | None) -> str:
    if given is None:
        return BY_HAND
    everybody = Page(limit=MAX_DEVICES)
    rows = await find_devices(database, organization, now_ns=time.time_ns(), page=everybody)
    for row in rows:
        if given in {row.id, row.device_id}:
            return row.device_id
    message = "affected_device_id: no such device"
    raise InvalidError(message)


def _by_hand(data: AlertGiven, detected_ns: int) -> Alert:
    src_mac, src_ip = as_mac(data.src_mac), as_ip("src_ip", data.src_ip)
    host = src_mac or src_ip
    if host is None:
        message = "src_ip or src_mac is missing"
        raise InvalidError(message)
    return Alert(
        alert_id=secrets.token_hex(16),
        state="closed",  # no device sees it going on
        attack_type=data.attack_type,
        severity=data.severity or ATTACKS[data.attack_type].severity,
        host=host,
        src_mac=src_mac,
        src_ip=src_ip,
        dst_ip=as_ip("dst_ip", data.dst_ip),
        first_seen_ns=detected_ns,
        opened_ns=detected_ns,
        last_seen_ns=detected_ns,
        confidence=data.confidence,
        windows=0,
        top_features=_features(data),
        model_id=BY_HAND,
    )


def _features(data: AlertGiven) -> list[TopFeature]:
    """Return what decided: the features that were told, and then those that weigh most."""
    told = _decoded("top_features", data.top_features, _FEATURES) or []
    weights = dict(_decoded("shap_values", data.shap_values, _WEIGHTS) or {})
    features = [
        msgspec.structs.replace(
            feature, contribution=weights.pop(feature.feature, feature.contribution)
        )
        for feature in told
    ]
    for name, weight in sorted(weights.items(), key=lambda item: -abs(item[1])):
        words = f"{name}: {weight:+.3g}"
        features.append(
            TopFeature(feature=name, value=0.0, unit="", contribution=weight, words=words)
        )
    return features[:MOST_FEATURES]


def _decoded(
    name: str, given: T | str | None, decoder: msgspec.json.Decoder[T | None]
) -> T | None:
    if not isinstance(given, str):
        return given
    try:
        return decoder.decode(given or "null")
    except (msgspec.MsgspecError, RecursionError) as error:
        message = f"{name}: {error}"
        raise InvalidError(message) from error


router = Router("/alerts", route_handlers=[list_alerts, post_alert, get_alert], tags=["alerts"])
