"""/api/v1/ports: which hosts and bridge ports are cut off; cutting off and letting go by hand."""

import re
import secrets
import time
from http import HTTPStatus
from typing import Annotated, NamedTuple

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec

from aggregator.addresses import GivenMac, as_mac
from aggregator.api.authorization import AuthorizationCodes
from aggregator.api.devices import find_row
from aggregator.api.identity import EVEN_OVER_PLAN, OPERATOR, ApiRequest, person
from aggregator.api.paging import Limit, Skip, paged
from aggregator.commands.commander import Commander
from aggregator.errors import ConflictError, InvalidError, NotFoundError
from aggregator.shapes import NS_PER_S, IsolationShape, isolation_shape, rfc3339
from aggregator.store.commands import CommandRow
from aggregator.store.database import Database
from aggregator.store.isolations import (
    DRY_RUN,
    HELD,
    IsolationFilter,
    IsolationRow,
    count_isolations,
    find_isolations,
    part,
)
from aggregator.store.users import SessionUser
from contract.commands import MAX_ISOLATION_S, Isolate, Release
from contract.identifiers import BridgePort, DeviceId, ShortText, whole
from contract.messages import CommandState

ISOLATION_ID = re.compile(whole(r"[0-9a-f]{32}"))
NUMBER = re.compile(whole(r"[0-9]{1,18}"))
NOBODY = re.compile(whole(r"[0-9a-f](1|3|5|7|9|b|d|f)(:[0-9a-f]{2}){5}|00(:00){5}"))

Duration = Annotated[int, msgspec.Meta(ge=1, le=MAX_ISOLATION_S)]


class IsolationGiven(msgspec.Struct, frozen=True):
    """Whom a device is to cut off, and for how long."""

    device_id: DeviceId
    duration_s: Duration
    mac: GivenMac | None = None
    bridge_port: BridgePort | None = None
    reason: ShortText = "isolated by hand"


class ExtensionGiven(msgspec.Struct, frozen=True):
    """For how long from now on an isolation is to last, and to end it sooner the code of one's authenticator."""

    duration_s: Duration
    reason: ShortText | None = None
    authorization_code: str | None = None


class LiftGiven(msgspec.Struct, frozen=True):
    """The code of one's authenticator."""

    authorization_code: str | None = None
    reason: ShortText = "lifted by hand"


class IsolationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, or how far the device is with it."""

    message: str
    command_id: str
    isolation_id: str
    state: CommandState
    isolation: IsolationShape | None  # None: the device has not told of it yet


WAITING = {
    HTTPStatus.ACCEPTED.value: ResponseSpec(
        IsolationAnswer, description="The device has not done it yet", generate_examples=False
    )
}


@get("/isolations")
async def list_isolations(
    request: ApiRequest,
    database: NamedDependency[Database],
    *,
    active_only: bool = True,
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[IsolationShape]]:
    """Return isolations, newest first; simulated ones cut nobody off and are not active.

    X-Total-Count says how many there are in all.
    """
    organization, now_ns = request.user.organization, time.time_ns()
    wanted = IsolationFilter(active_only=active_only, limit=limit, skip=skip)
    rows = await find_isolations(database, organization, wanted, now_ns=now_ns)
    total = await count_isolations(database, organization, active_only=active_only, now_ns=now_ns)
    return paged([isolation_shape(row) for row in rows], total)


@post("/isolate", opt=OPERATOR | {"errors": (HTTPStatus.NOT_FOUND,)}, responses=WAITING)
async def isolate(
    request: ApiRequest,
    data: IsolationGiven,
    database: NamedDependency[Database],
    commander: NamedDependency[Commander],
) -> Response[IsolationAnswer]:
    """Have a device cut off a host or a bridge port; 201 when the kernel was read back, else 202."""
    who = person(request).user
    mac = as_mac(data.mac)
    if (mac is None) == (data.bridge_port is None):
        message = "give either a mac or a bridge_port"
        raise InvalidError(message)
    if mac is not None and NOBODY.match(mac):
        message = f"{mac} is a group's address, no host's"
        raise InvalidError(message)
    if not (await find_row(database, who.organization, data.device_id)).has_agent:
        message = f"{data.device_id} has no agent that could: name the device whose agent watches that network"
        raise ConflictError(message)
    command = Isolate(
        isolation_id=secrets.token_hex(16),
        mac=mac,
        bridge_port=data.bridge_port,
        duration_s=data.duration_s,
        reason=data.reason,
    )
    row = await commander.have_done(who, data.device_id, command, "isolation.isolate")
    done = "Host isolated successfully" if mac else "Port isolated successfully"
    return await _answer(database, who.organization, row, done, HTTPStatus.CREATED)


@post(
    "/extend-isolation/{isolation_id:str}",
    opt=OPERATOR | {"errors": (HTTPStatus.TOO_MANY_REQUESTS,)},
    responses=WAITING,
)
async def extend_isolation(  # noqa: PLR0913  what a request needs
    request: ApiRequest,
    isolation_id: str,
    database: NamedDependency[Database],
    commander: NamedDependency[Commander],
    codes: NamedDependency[AuthorizationCodes],
    *,
    data: ExtensionGiven,
) -> Response[IsolationAnswer]:
    """Have an isolation last for another time from now on; to end it sooner takes a code, as a lift does."""
    who = person(request).user
    found = await _active(database, who.organization, isolation_id)
    ends_ns = time.time_ns() + data.duration_s * NS_PER_S
    ends_there_ns = await commander.by_its_clock(who.organization, found.device_id, ends_ns)
    command = Isolate(
        isolation_id=found.isolation_id,
        mac=found.isolated_mac,
        ip=found.isolated_ip,
        bridge_port=found.isolated_port,
        part=part(found),
        duration_s=data.duration_s,
        reason=data.reason or found.reason,
    )
    action = "isolation.extend"
    if ends_there_ns < found.expires_ns:
        order = _Order(who, found.device_id, command, action)
        row = await _done_by_code(commander, codes, order, data.authorization_code)
    else:
        row = await commander.have_done(who, found.device_id, command, action)
    done = "Isolation extended successfully"
    return await _answer(database, who.organization, row, done, HTTPStatus.OK)


@post(
    "/lift-isolation/{isolation_id:str}",
    opt=OPERATOR | {"errors": (HTTPStatus.TOO_MANY_REQUESTS,)},
    responses=WAITING,
)
async def lift_isolation(  # noqa: PLR0913  what a request needs
    request: ApiRequest,
    isolation_id: str,
    database: NamedDependency[Database],
    commander: NamedDependency[Commander],
    codes: NamedDependency[AuthorizationCodes],
    *,
    data: LiftGiven | None = None,
    authorization_code: str | None = None,
) -> Response[IsolationAnswer]:
    """Have a device let go; 200 when it has read back that nothing is left, 202 until then."""
    who = person(request).user
    given = data or LiftGiven()
    found = await _held(database, who.organization, isolation_id)
    code = given.authorization_code or authorization_code
    command = Release(isolation_id=found.isolation_id, reason=given.reason)
    order = _Order(who, found.device_id, command, "isolation.lift")
    row = await _done_by_code(commander, codes, order, code)
    done = "Port isolation lifted successfully"
    if row.state == "verified":
        done += await _still_cut_off(database, who, found)
    return await _answer(database, who.organization, row, done, HTTPStatus.OK)


class _Order(NamedTuple):
    who: SessionUser
    device_id: str
    command: Isolate | Release
    action: str


async def _done_by_code(
    commander: Commander, codes: AuthorizationCodes, order: _Order, code: str | None
) -> CommandRow:
    """Have a command done that takes a code, which is used up in its transaction."""
    use = await codes.check(order.who, code)
    try:
        return await commander.have_done(*order, use)
    except ConflictError:
        await codes.check(order.who, code)  # it may have been used up meanwhile
        raise


async def _answer(
    database: Database, organization: str, row: CommandRow, done: str, status: HTTPStatus
) -> Response[IsolationAnswer]:
    isolation_id = row.isolation_id or ""
    wanted = IsolationFilter(isolation_ids=[isolation_id])
    rows = await find_isolations(database, organization, wanted, now_ns=time.time_ns())
    told = [isolation_shape(each) for each in rows if each.device_id == row.device_id]
    if row.state in {"failed", "expired"}:
        message = f"{row.device_id} did not do it: {row.detail or row.state}"
        raise ConflictError(message)
    verified = row.state == "verified"
    if row.kind == "isolate" and told and told[0].enforcement == DRY_RUN:
        done = f"Simulated: {row.device_id} runs dry, nobody was cut off"
    answer = IsolationAnswer(
        message=done if verified else f"waiting for {row.device_id}: the command is {row.state}",
        command_id=row.command_id,
        isolation_id=isolation_id,
        state=row.state,
        isolation=told[0] if told else None,
    )
    return Response(answer, status_code=status if verified else HTTPStatus.ACCEPTED)


async def _still_cut_off(database: Database, who: SessionUser, lifted: IsolationRow) -> str:
    """Return what else cuts off the host or the port that was just let go, in words; nothing: nothing."""
    wanted = IsolationFilter(active_only=True)
    rows = await find_isolations(database, who.organization, wanted, now_ns=time.time_ns())
    host = None if NOBODY.match(lifted.host) else lifted.host
    port = lifted.isolated_port and (lifted.device_id, lifted.isolated_port)
    others = [
        f"isolation {row.id} until {rfc3339(row.expires_ns)}"
        for row in rows
        if row.id != lifted.id
        and row.enforcement != DRY_RUN
        and (row.host == host or (row.device_id, row.isolated_port) == port)
    ]
    return f"; it is still cut off by {', '.join(others)}" if others else ""


async def _active(database: Database, organization: str, isolation_id: str) -> IsolationRow:
    """Return an isolation that is active, by its number or by the name that its device gave it."""
    found = await _held(database, organization, isolation_id)
    if not found.active:
        message = f"the isolation is not active any more ({found.state})"
        raise InvalidError(message)
    return found


async def _held(database: Database, organization: str, isolation_id: str) -> IsolationRow:
    """Return an isolation that its device holds by its own word, whatever time it is by our clock."""
    if ISOLATION_ID.match(isolation_id):
        wanted = IsolationFilter(isolation_ids=[isolation_id])
    else:
        wanted = IsolationFilter(id=int(isolation_id) if NUMBER.match(isolation_id) else -1)
    rows = await find_isolations(database, organization, wanted, now_ns=time.time_ns())
    if not rows:
        message = "no such isolation"
        raise NotFoundError(message)
    if len(rows) > 1:  # names are made by devices, and one may tell another's
        message = "more than one device tells of it: give its number instead"
        raise ConflictError(message)
    state = rows[0].state
    if state not in HELD:
        over = "already lifted" if state == "lifted" else f"not active any more ({state})"
        message = f"the isolation is {over}"
        raise InvalidError(message)
    return rows[0]


router = Router(
    "/ports",
    route_handlers=[list_isolations, isolate, extend_isolation, lift_isolation],
    tags=["isolations"],
    opt=EVEN_OVER_PLAN,
)
