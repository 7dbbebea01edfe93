"""/api/v1/devices/{device_id}/api-key: another key for a device whose key was lost or seen."""

import time

import msgspec
from litestar import Router, post
from litestar.di import NamedDependency

from aggregator.api.authenticator import new_device_key
from aggregator.api.identity import ADMIN, ApiRequest, person
from aggregator.errors import NotFoundError
from aggregator.store.audit import audit
from aggregator.store.database import Database
from aggregator.store.devices import Added, set_device_key


class NewKey(msgspec.Struct, frozen=True):
    """A device's new key; it is shown here and never again."""

    device_id: str
    api_key: str


@post("/{device_id:str}/api-key", opt=ADMIN)
async def renew_key(
    request: ApiRequest, device_id: str, database: NamedDependency[Database]
) -> NewKey:
    """Give a device another API key; the old one opens nothing any more."""
    who = person(request).user
    key, key_hash = new_device_key()
    renewed = await database.change(
        Added,
        set_device_key(who.organization, device_id, key_hash),
        audit(who, "device.renew_key", device_id, now_ns=time.time_ns()),
    )
    if not renewed:
        message = "no such device"
        raise NotFoundError(message)
    return NewKey(device_id, key)


router = Router("/devices", route_handlers=[renew_key], tags=["devices"])
