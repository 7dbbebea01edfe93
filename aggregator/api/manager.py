"""/api/health and /api/devices, as clients of device managers know them: everything in an envelope."""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar import HttpMethod, Request, Response, Router, delete, get, post, route
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import Parameter
from litestar.status_codes import HTTP_200_OK
from litestar.types import ExceptionHandlersMap

from aggregator.api.billing import OVER_PLAN
from aggregator.api.devices import Enrolment, GivenDeviceId, enrol, find_device, forget
from aggregator.api.errors import HANDLERS, Problem
from aggregator.api.identity import ADMIN, PUBLIC, ApiRequest, Person, person
from aggregator.api.paging import Limit, Skip
from aggregator.commands.commander import Commander
from aggregator.config import ShellConfig
from aggregator.errors import ConflictError, InvalidError
from aggregator.presence import PresenceKeeper
from aggregator.shapes import DeviceShape, NewDeviceShape, device_shape
from aggregator.shell.measures import MOST_LINES, Metrics, log_lines, metrics
from aggregator.shell.shells import Shells
from aggregator.shell.ssh import Line, check_host
from aggregator.store.database import Database
from aggregator.store.device_hosts import DeviceHost, device_hosts, set_device_host
from aggregator.store.devices import DeviceType, Page, count_devices, find_devices
from contract.identifiers import NAME_PATTERN, whole

MAX_NAMESAKES = 100
DEFAULT_SSH_PORT = 22

OVER_SSH = {
    "role": "analyst",
    "errors": (HTTPStatus.BAD_GATEWAY, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS),
}

T = TypeVar("T")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
HostName = Annotated[str, msgspec.Meta(pattern=whole(r"[A-Za-z0-9.:_-]{1,253}"))]
UserName = Annotated[str, msgspec.Meta(pattern=whole(r"[\x21-\x7e]{1,64}"))]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class Envelope(msgspec.Struct, Generic[T], frozen=True):
    """What every answer lies in."""

    data: T
    message: str
    success: bool = True


class FailedEnvelope(Problem, frozen=True):
    """What an error lies in: a problem (RFC 9457) and the envelope's fields."""

    error: str
    success: bool = False
    data: None = None


class ManagedHealth(msgspec.Struct, frozen=True):
    """We live."""

    status: str = "healthy"


class ManagedGiven(msgspec.Struct, frozen=True):
    """A device to be managed. The password is kept sealed, and never shown."""

    name: Name
    host: HostName | None = None
    port: Port = DEFAULT_SSH_PORT
    username: UserName | None = None
    password: Annotated[str, msgspec.Meta(max_length=1024)] | None = None
    description: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    device_id: GivenDeviceId | None = None  # None: made from the name
    type: DeviceType = "generic"


class DeviceLogs(msgspec.Struct, frozen=True):
    """What a device logged, oldest first."""

    logs: list[str]


class ManagedDevice(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A device, in the names of device managers."""

    id: str
    name: str
    host: str | None
    port: int
    username: str | None
    description: str
    host_key: str | None  # SHA256:..., whose answer is expected; None: it was not reached yet
    status: str
    last_seen: str | None
    created_at: str
    api_key: str | msgspec.UnsetType = msgspec.UNSET  # shown once, when it is added


@get("/health", opt=PUBLIC)
async def managed_health() -> Envelope[ManagedHealth]:
    """Say that we live."""
    return Envelope(ManagedHealth(), "API is healthy")


@get("/devices")
async def list_managed(
    request: ApiRequest, database: NamedDependency[Database], skip: Skip = 0, limit: Limit = 1000
) -> Response[Envelope[list[ManagedDevice]]]:
    """Return devices, in the order they became known; X-Total-Count says how many there are."""
    organization = request.user.organization
    rows = await find_devices(
        database, organization, now_ns=time.time_ns(), page=Page(limit, skip)
    )
    hosts = await device_hosts(database, organization, [row.device_id for row in rows])
    devices = [_managed(device_shape(row), hosts[row.device_id]) for row in rows]
    total = await count_devices(database, organization)
    return Response(Envelope(devices, "Devices retrieved"), headers={"X-Total-Count": str(total)})


@post("/devices", opt=ADMIN | OVER_PLAN)
async def add_managed(
    request: ApiRequest,
    data: ManagedGiven,
    database: NamedDependency[Database],
    commander: NamedDependency[Commander],
    shells: NamedDependency[Shells],
) -> Envelope[ManagedDevice]:
    """Add a device; its API key is shown here and never again."""
    who = person(request)
    if data.host is not None:
        check_host(data.host)
    enrolled = await _enrol(database, commander, who, data)
    device_id = enrolled.device_id
    where = DeviceHost(
        device_id=device_id,
        host=data.host,
        ssh_port=data.port,
        ssh_username=data.username,
        description=data.description,
    )
    sealed = (
        shells.sealed(who.organization, device_id, data.password)
        if data.password is not None
        else None
    )
    await database.write(set_device_host(who.organization, where, sealed))
    shown = _managed(enrolled, where)
    return Envelope(msgspec.structs.replace(shown, api_key=enrolled.api_key), "Device added")


@get("/devices/{device_id:str}")
async def get_managed(
    request: ApiRequest, device_id: str, database: NamedDependency[Database]
) -> Envelope[ManagedDevice]:
    """Return a device."""
    organization = request.user.organization
    shape = await find_device(database, organization, device_id)
    hosts = await device_hosts(database, organization, [device_id])
    return Envelope(_managed(shape, hosts[device_id]), "Device retrieved")


@delete("/devices/{device_id:str}", opt=ADMIN, status_code=HTTP_200_OK)
async def remove_managed(
    request: ApiRequest,
    device_id: str,
    database: NamedDependency[Database],
    commander: NamedDependency[Commander],
    presence: NamedDependency[PresenceKeeper],
) -> Envelope[None]:
    """Forget a device and its key, and end its open commands; what it reported stays."""
    await forget(database, commander, presence, person(request), device_id)
    return Envelope(None, "Device deleted")


@get("/devices/{device_id:str}/metrics", opt=OVER_SSH)
async def managed_metrics(
    request: ApiRequest,
    device_id: str,
    shells: NamedDependency[Shells],
    shell: NamedDependency[ShellConfig],
) -> Envelope[Metrics]:
    """Ask a device over SSH how it is: processors, memory, disks, network, processes."""
    async with _line(request, device_id, shells) as line:
        return Envelope(await metrics(line, shell.command_s), "Metrics collected")


@get("/devices/{device_id:str}/logs", opt=OVER_SSH)
async def managed_logs(
    request: ApiRequest,
    device_id: str,
    shells: NamedDependency[Shells],
    shell: NamedDependency[ShellConfig],
    *,
    lines: Annotated[int, Parameter(ge=1, le=MOST_LINES)] = 100,
) -> Envelope[DeviceLogs]:
    """Return the last lines of a device's system log, oldest first, over SSH."""
    async with _line(request, device_id, shells) as line:
        told = await log_lines(line, lines, shell.command_s)
    return Envelope(DeviceLogs(told), "Logs retrieved")


@asynccontextmanager
async def _line(request: ApiRequest, device_id: str, shells: Shells) -> AsyncIterator[Line]:
    """Connect to a device with the user name and password that are kept of it."""
    who = person(request).user
    way = await shells.way_to_device(who.organization, device_id)
    password = shells.password(who.organization, way)
    async with shells.line(who, way, way.username, password) as line:
        yield line


def _managed(shape: DeviceShape, where: DeviceHost) -> ManagedDevice:
    return ManagedDevice(
        id=shape.device_id,
        name=shape.name,
        host=where.host or shape.ip_address,
        port=where.ssh_port or DEFAULT_SSH_PORT,
        username=where.ssh_username,
        description=where.description or "",
        host_key=where.ssh_host_key,
        status=shape.status,
        last_seen=shape.last_seen,
        created_at=shape.created_at,
    )


async def _enrol(
    database: Database, commander: Commander, who: Person, data: ManagedGiven
) -> NewDeviceShape:
    """Enrol a device by the name that is said, or the first that is free and stays so."""
    if data.device_id is not None:
        new = Enrolment(device_id=data.device_id, name=data.name, type=data.type)
        return await enrol(database, commander, who, new)
    for device_id in await _free_names(database, who.organization, data.name):
        new = Enrolment(device_id=device_id, name=data.name, type=data.type)
        with suppress(ConflictError):  # somebody has taken it just now
            return await enrol(database, commander, who, new)
    message = f"there are {MAX_NAMESAKES} devices of this name: say device_id as well"
    raise ConflictError(message)


async def _free_names(database: Database, organization: str, name: str) -> list[str]:
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50]
    if not re.match(NAME_PATTERN, stem):
        message = "no device_id can be made from this name: say device_id as well"
        raise InvalidError(message)
    names = [stem, *(f"{stem}-{number}" for number in range(2, MAX_NAMESAKES))]
    taken = await device_hosts(database, organization, names)
    return [candidate for candidate in names if candidate not in taken]


def _enveloped(request: Request[Any, Any, Any], error: Exception) -> Response[FailedEnvelope]:
    handler = next(HANDLERS[kind] for kind in type(error).__mro__ if kind in HANDLERS)
    answer: Response[Problem] = handler(request, error)
    failed = FailedEnvelope(**msgspec.structs.asdict(answer.content), error=answer.content.detail)
    return Response(
        failed,
        status_code=answer.status_code,
        media_type=answer.media_type,
        headers=answer.headers,
    )


def answer_unrouted(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Answer what no route takes: in an envelope where clients of device managers ask."""
    path = f"{request.scope['path']}/"
    if path.startswith("/api/") and not path.startswith("/api/v1/"):
        return _enveloped(request, error)
    answer: Response[Problem] = HANDLERS[HTTPException](request, error)
    return answer


ENVELOPED: ExceptionHandlersMap = dict.fromkeys(HANDLERS, _enveloped)

heads = [
    route("/health", http_method=HttpMethod.HEAD, opt=PUBLIC, include_in_schema=False)(
        managed_health.fn
    )
]

router = Router(
    "/api",
    route_handlers=[
        managed_health,
        *heads,
        list_managed,
        add_managed,
        get_managed,
        remove_managed,
        managed_metrics,
        managed_logs,
    ],
    exception_handlers=ENVELOPED,
    tags=["device manager"],
)
