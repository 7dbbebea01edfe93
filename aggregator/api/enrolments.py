"""/api/v1/enrollments and /api/v1/enroll: codes by which devices come in, and who is accepted."""

import base64
import secrets
import time
from http import HTTPStatus
from typing import Annotated

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency

from aggregator.addresses import guesser_of
from aggregator.api.authenticator import Authenticator, digest, new_device_key
from aggregator.api.billing import check_plan
from aggregator.api.devices import ANOTHER, REMOVED, Name, find_device
from aggregator.api.identity import ADMIN, OPERATOR, PUBLIC, ApiRequest, address_of, person
from aggregator.api.paging import Limit, RowId, Skip, paged
from aggregator.broker_access import BrokerFiles, files_for, hash_for_broker, username_of
from aggregator.commands.commander import Commander
from aggregator.config import EnrolmentConfig
from aggregator.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from aggregator.shapes import NS_PER_S, DeviceShape, rfc3339
from aggregator.store.audit import Somebody, audit
from aggregator.store.commands import end_commands
from aggregator.store.database import Database
from aggregator.store.devices import (
    Added,
    Page,
    find_devices,
    forget_removed,
    note_removed,
)
from aggregator.store.enrolments import (
    EnrollingDevice,
    EnrolmentRow,
    NewEnrolment,
    accept_device,
    add_enrolment,
    broker_logins,
    count_enrolments,
    delete_enrolment,
    enrol_device,
    enrolment_by_code,
    find_enrolments,
    forget_enrolments,
    refuse_device,
    use_enrolment,
)
from aggregator.store.usage import within_plan
from contract.enrolment import BrokerLogin, Enrolled, EnrolmentRequest
from contract.identifiers import DeviceId

CODE_BYTES = 15  # 24 characters that a person can type
GROUP = 6
ERRORS = {
    "errors": (
        HTTPStatus.FORBIDDEN,
        HTTPStatus.PAYMENT_REQUIRED,
        HTTPStatus.TOO_MANY_REQUESTS,
    )
}

Life = Annotated[int, msgspec.Meta(ge=60, le=7 * 24 * 3600)]  # seconds


class EnrolmentGiven(msgspec.Struct, frozen=True):
    """A code to be; with a device_id it is good for a device of that name alone."""

    device_id: DeviceId | None = None
    name: Name | None = None
    expires_in: Life = 3600


class EnrolmentShape(msgspec.Struct, frozen=True, kw_only=True):
    """A code that was not used yet, without the code itself."""

    id: int
    device_id: str | None
    name: str | None
    replaces: bool  # whether a device of that name gets other keys
    created_by_user_id: int
    created_at: str
    expires_at: str


class NewEnrolmentShape(EnrolmentShape, frozen=True, kw_only=True):
    """A code that was just made; it is shown here and never again."""

    code: str


@post("/enrollments", opt=OPERATOR)
async def create_enrolment(
    request: ApiRequest, data: EnrolmentGiven, database: NamedDependency[Database]
) -> NewEnrolmentShape:
    """Make a code by which one device enrols itself.

    One that an admin makes for a device by name gives it other keys where it is there already.
    """
    who = person(request).user
    code = _new_code()
    now_ns = time.time_ns()
    new = NewEnrolment(
        organization=who.organization,
        device_id=data.device_id,
        name=data.name,
        replaces=who.role == "admin" and data.device_id is not None,
        code_hash=_hash_of(code),
        created_by=who.id,
        expires_ns=now_ns + data.expires_in * NS_PER_S,
    )
    await database.write(forget_enrolments(now_ns))
    (added,) = await database.change(
        Added,
        add_enrolment(new, now_ns),
        audit(who, "enrolment.create", data.device_id or "", now_ns=now_ns, after=data),
    )
    row = EnrolmentRow(
        id=added.id,
        organization=new.organization,
        device_id=new.device_id,
        name=new.name,
        replaces=new.replaces,
        created_by=who.id,
        created_ns=now_ns,
        expires_ns=new.expires_ns,
    )
    return NewEnrolmentShape(**msgspec.structs.asdict(_shape(row)), code=code)


@get("/enrollments", opt=OPERATOR)
async def list_enrolments(
    request: ApiRequest, database: NamedDependency[Database], skip: Skip = 0, limit: Limit = 100
) -> Response[list[EnrolmentShape]]:
    """Return the codes that still hold, newest first."""
    organization = request.user.organization
    now_ns = time.time_ns()
    rows = await find_enrolments(database, organization, now_ns=now_ns, page=Page(limit, skip))
    total = await count_enrolments(database, organization, now_ns=now_ns)
    return paged([_shape(row) for row in rows], total)


@delete("/enrollments/{enrolment_id:int}", opt=OPERATOR)
async def take_back_enrolment(
    request: ApiRequest, enrolment_id: RowId, database: NamedDependency[Database]
) -> None:
    """Take a code back."""
    who = person(request).user
    gone = await database.change(
        Added,
        delete_enrolment(who.organization, enrolment_id),
        audit(who, "enrolment.delete", str(enrolment_id), now_ns=time.time_ns()),
    )
    if not gone:
        message = "no such code"
        raise NotFoundError(message)


@get("/enrollments/broker-files", opt=ADMIN)
async def get_broker_files(
    request: ApiRequest, database: NamedDependency[Database]
) -> BrokerFiles:
    """Return what a mosquitto elsewhere has to know of the accepted devices.

    Lines for its password file, with hashes, and rules for its ACL file.
    """
    return files_for(await broker_logins(database, request.user.organization))


@post("/enroll", opt=PUBLIC | ERRORS)
async def enrol_itself(  # noqa: PLR0913  each is a part, given by name
    request: ApiRequest,
    data: EnrolmentRequest,
    *,
    database: NamedDependency[Database],
    authenticator: NamedDependency[Authenticator],
    commander: NamedDependency[Commander],
    enrolment: NamedDependency[EnrolmentConfig],
) -> Enrolled:
    """Enrol the device that shows a code, once; its keys are shown here and never again."""
    now_ns = time.time_ns()
    address = address_of(request)
    guesser = guesser_of(address)
    authenticator.enrolments.attempt(guesser)
    found = await _found(database, data.code, now_ns)
    authenticator.enrolments.forgive(guesser)
    key, key_hash = new_device_key()
    password = secrets.token_urlsafe(32)
    device = EnrollingDevice(
        organization=found.organization,
        device_id=_name_of(found, data),
        name=found.name or data.name,
        type=data.type,
        api_key_hash=key_hash,
        broker_password_hash=hash_for_broker(password),
        pending=enrolment.pending,
        replaces=found.replaces,
    )
    ended_ns = await _admit(database, found, _hash_of(data.code), device, address)
    await commander.tell_ended(device.organization, device.device_id, ended_ns)
    return Enrolled(
        organization=device.organization,
        device_id=device.device_id,
        pending=device.pending,
        api_key=key,
        broker=_login(enrolment, device, password),
        command_public_key=commander.public_pem(),
    )


async def _found(database: Database, code: str, now_ns: int) -> EnrolmentRow:
    found = await enrolment_by_code(database, _hash_of(code), now_ns)
    if found is None:
        message = "the code is wrong, used or over: ask for another one"
        raise ForbiddenError(message)
    return found


async def _admit(
    database: Database, found: EnrolmentRow, code_hash: str, device: EnrollingDevice, address: str
) -> int:
    """Enrol a device; return the moment at which what its name was told before has ended."""
    now_ns = time.time_ns()
    new = not await find_devices(
        database, device.organization, now_ns=now_ns, device_ids=[device.device_id]
    )
    if new:
        await check_plan(database, device.organization, devices=1)
    actor = Somebody(device.organization, device.device_id, address=address)
    told = {"type": device.type, "pending": device.pending, "code": found.id}
    enrolled = await database.change(
        Added,
        use_enrolment(code_hash, now_ns),
        enrol_device(device, now_ns),
        within_plan(device.organization, devices=new),
        end_commands(device.organization, device.device_id, ANOTHER, now_ns),
        forget_removed(device.organization, device.device_id),
        audit(actor, "device.enrol", device.device_id, now_ns=now_ns, after=told),
    )
    if not enrolled:
        if new:
            await check_plan(database, device.organization, devices=1)  # others came meanwhile
        message = (
            f"there is a device {device.device_id} already, or the code was just used: take"
            " another name, or a code that an admin makes for this one"
        )
        raise ConflictError(message)
    return now_ns


def _login(enrolment: EnrolmentConfig, device: EnrollingDevice, password: str) -> BrokerLogin:
    return BrokerLogin(
        host=enrolment.broker_host,
        port=enrolment.broker_port,
        tls=enrolment.broker_tls,
        username=username_of(device.organization, device.device_id),
        password=password,
        ca=enrolment.authority(),
    )


@post("/devices/{device_id:str}/accept", opt=ADMIN)
async def accept(
    request: ApiRequest, device_id: str, database: NamedDependency[Database]
) -> DeviceShape:
    """Accept a pending device: its keys work from now on."""
    who = person(request).user
    accepted = await database.change(
        Added,
        accept_device(who.organization, device_id),
        forget_removed(who.organization, device_id),
        audit(who, "device.accept", device_id, now_ns=time.time_ns()),
    )
    if not accepted:
        raise NotFoundError(_NONE_PENDING)
    return await find_device(database, who.organization, device_id)


@post("/devices/{device_id:str}/refuse", opt=ADMIN, status_code=204)
async def refuse(
    request: ApiRequest,
    device_id: str,
    database: NamedDependency[Database],
    commander: NamedDependency[Commander],
) -> None:
    """Refuse a pending device: it and its keys are forgotten, and its open commands end."""
    who = person(request).user
    now_ns = time.time_ns()
    refused = await database.change(
        Added,
        refuse_device(who.organization, device_id),
        end_commands(who.organization, device_id, REMOVED, now_ns),
        *note_removed(who.organization, device_id, now_ns),
        audit(who, "device.refuse", device_id, now_ns=now_ns),
    )
    if not refused:
        raise NotFoundError(_NONE_PENDING)
    await commander.tell_ended(who.organization, device_id, now_ns)


_NONE_PENDING = "no pending device of that name"


def _name_of(found: EnrolmentRow, data: EnrolmentRequest) -> str:
    if found.device_id is not None and data.device_id not in {None, found.device_id}:
        message = f"the code is for the device {found.device_id}, not for {data.device_id}"
        raise ConflictError(message)
    device_id = found.device_id or data.device_id
    if device_id is None:
        message = "device_id is missing: the code is for no device by name"
        raise InvalidError(message)
    return device_id


def _new_code() -> str:
    text = base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode()
    return "-".join(text[start : start + GROUP] for start in range(0, len(text), GROUP))


def _hash_of(code: str) -> str:
    # Typed by people: neither case, nor spaces, nor dashes matter.
    return digest("".join(code.upper().replace("-", "").split()))


def _shape(row: EnrolmentRow) -> EnrolmentShape:
    return EnrolmentShape(
        id=row.id,
        device_id=row.device_id,
        name=row.name,
        replaces=row.replaces,
        created_by_user_id=row.created_by,
        created_at=rfc3339(row.created_ns),
        expires_at=rfc3339(row.expires_ns),
    )


router = Router(
    "/",
    route_handlers=[
        create_enrolment,
        list_enrolments,
        take_back_enrolment,
        get_broker_files,
        enrol_itself,
        accept,
        refuse,
    ],
    tags=["devices"],
)
