"""/api/v1/devices: machines that report to us."""

import time
from typing import Annotated

import msgspec
from litestar import Response, Router, delete, get, post, put
from litestar.di import NamedDependency

from aggregator.addresses import GivenIp, GivenMac, as_ip, as_mac
from aggregator.api.authenticator import new_device_key
from aggregator.api.billing import OVER_PLAN, check_plan
from aggregator.api.identity import ADMIN, ApiRequest, Person, person
from aggregator.api.paging import Limit, Skip, paged
from aggregator.commands.commander import Commander
from aggregator.errors import ConflictError, NotFoundError
from aggregator.presence import PresenceKeeper
from aggregator.shapes import (
    DeviceShape,
    NewDeviceShape,
    device_shape,
)
from aggregator.store.audit import audit
from aggregator.store.commands import end_commands
from aggregator.store.database import Database, Statement
from aggregator.store.desired import delete_desired
from aggregator.store.device_events import DeviceKey
from aggregator.store.devices import (
    Added,
    DeviceRow,
    DeviceType,
    NewDevice,
    Page,
    add_device,
    change_device,
    count_devices,
    delete_device,
    find_devices,
    forget_removed,
    note_removed,
)
from aggregator.store.usage import within_plan
from contract.identifiers import whole

# Names that go into topics have small letters alone; what speaks HTTP may be called as it always was.
GivenDeviceId = Annotated[str, msgspec.Meta(pattern=whole(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"))]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Location = Annotated[str, msgspec.Meta(max_length=200)]

# Why commands end before their time.
REMOVED, ANOTHER = "the device was removed", "another device has its name now"


class Enrolment(msgspec.Struct, frozen=True):
    """A device to be enrolled."""

    device_id: GivenDeviceId
    name: Name | None = None
    type: DeviceType = "generic"
    ip_address: GivenIp | None = None
    mac_address: GivenMac | None = None
    location: Location | None = None


class DeviceChange(msgspec.Struct, frozen=True):
    """What is to be said of a device from now on; what is missing stays."""

    name: Name | None = None
    type: DeviceType | None = None
    ip_address: GivenIp | None = None
    mac_address: GivenMac | None = None
    location: Location | None = None


@get("/")
async def list_devices(
    request: ApiRequest, database: NamedDependency[Database], skip: Skip = 0, limit: Limit = 100
) -> Response[list[DeviceShape]]:
    """Return devices, in the order they became known; X-Total-Count says how many there are."""
    rows = await find_devices(
        database,
        request.user.organization,
        now_ns=time.time_ns(),
        page=Page(limit, skip),
    )
    total = await count_devices(database, request.user.organization)
    return paged([device_shape(row) for row in rows], total)


@post("/", opt=ADMIN | OVER_PLAN)
async def create_device(
    request: ApiRequest,
    data: Enrolment,
    database: NamedDependency[Database],
    commander: NamedDependency[Commander],
) -> NewDeviceShape:
    """Enrol a device; its API key is shown here and never again."""
    return await enrol(database, commander, person(request), data)


async def enrol(
    database: Database, commander: Commander, who: Person, data: Enrolment
) -> NewDeviceShape:
    """Enrol a device.

    Raises:
        ConflictError: There is one of that name.
        LimitError: The plan allows no more.
    """
    await check_plan(database, who.organization, devices=1)
    key, key_hash = new_device_key()
    now_ns = time.time_ns()
    new = NewDevice(
        device_id=data.device_id,
        name=data.name or data.device_id,
        type=data.type,
        ip_address=as_ip("ip_address", data.ip_address),
        mac_address=as_mac(data.mac_address),
        location=data.location,
    )
    added = await database.change(
        Added,
        add_device(who.organization, new, key_hash, now_ns),
        within_plan(who.organization, devices=True),
        # Somebody may have queued one while the former device of that name was being removed.
        end_commands(who.organization, data.device_id, ANOTHER, now_ns),
        forget_removed(who.organization, data.device_id),
        audit(who.user, "device.create", data.device_id, now_ns=now_ns, after=new),
    )
    if not added:
        await check_plan(database, who.organization, devices=1)  # others may have come meanwhile
        message = f"there is a device {data.device_id} already"
        raise ConflictError(message)
    await commander.tell_ended(who.organization, data.device_id, now_ns)
    shape = await find_device(database, who.organization, data.device_id)
    return NewDeviceShape(**msgspec.structs.asdict(shape), api_key=key)


@get("/{device_id:str}")
async def get_device(
    request: ApiRequest, device_id: str, database: NamedDependency[Database]
) -> DeviceShape:
    """Return a device."""
    return await find_device(database, request.user.organization, device_id)


@put("/{device_id:str}", opt=ADMIN)
async def update_device(
    request: ApiRequest, device_id: str, data: DeviceChange, database: NamedDependency[Database]
) -> DeviceShape:
    """Change what is said of a device."""
    who = person(request)
    shape = await find_device(database, who.organization, device_id)
    fields = msgspec.structs.asdict(data) | {
        "ip_address": as_ip("ip_address", data.ip_address),
        "mac_address": as_mac(data.mac_address),
    }
    given = {name: value for name, value in fields.items() if value is not None}
    before = {name: getattr(shape, name) for name in given}
    await database.write(
        change_device(who.organization, device_id, given),
        audit(
            who.user,
            "device.change",
            device_id,
            now_ns=time.time_ns(),
            before=before,
            after=given,
        ),
    )
    return await find_device(database, who.organization, device_id)


@delete("/{device_id:str}", opt=ADMIN)
async def remove_device(
    request: ApiRequest,
    device_id: str,
    database: NamedDependency[Database],
    commander: NamedDependency[Commander],
    presence: NamedDependency[PresenceKeeper],
) -> None:
    """Forget a device and its key, and end its open commands; what it reported stays."""
    await forget(database, commander, presence, person(request), device_id)


async def forget(
    database: Database, commander: Commander, presence: PresenceKeeper, who: Person, device_id: str
) -> None:
    """Forget a device and its key, and end its open commands.

    Raises:
        NotFoundError: There is none of that name in the organization.
    """
    before = await find_device(database, who.organization, device_id)
    now_ns = time.time_ns()
    await presence.remove(DeviceKey(who.organization, device_id), now_ns)
    await database.write(
        delete_device(who.organization, device_id),
        delete_desired(who.organization, device_id),
        end_commands(who.organization, device_id, REMOVED, now_ns),
        *note_removed(who.organization, device_id, now_ns),
        audit(who.user, "device.delete", device_id, now_ns=now_ns, before=before),
    )
    await commander.tell_ended(who.organization, device_id, now_ns)


def note_person(
    request: ApiRequest, action: str, device_id: str, now_ns: int, after: object
) -> list[Statement]:
    """Return the audit of a person who speaks for a device; a device that speaks has none."""
    who = request.user
    if not isinstance(who, Person):
        return []
    return [audit(who.user, action, device_id, now_ns=now_ns, after=after)]


async def find_device(database: Database, organization: str, device_id: str) -> DeviceShape:
    """Return a device as it is shown; raises as `find_row` does."""
    return device_shape(await find_row(database, organization, device_id))


async def find_row(database: Database, organization: str, device_id: str) -> DeviceRow:
    """Return a device as it is kept.

    Raises:
        NotFoundError: There is none of that name in the organization.
    """
    rows = await find_devices(
        database, organization, now_ns=time.time_ns(), device_ids=[device_id]
    )
    if not rows:
        message = "no such device"
        raise NotFoundError(message)
    return rows[0]


router = Router(
    "/devices",
    route_handlers=[
        list_devices,
        create_device,
        get_device,
        update_device,
        remove_device,
    ],
    tags=["devices"],
)
