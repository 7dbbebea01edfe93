"""/api/v1/devices/…/desired: what a device is to be, beside what it says it is."""

import time
from typing import Literal

import msgspec
from litestar import Router, get, put
from litestar.di import NamedDependency

from aggregator.api.commands import AGENTS
from aggregator.api.devices import find_device
from aggregator.api.identity import ADMIN, EVEN_OVER_PLAN, ApiRequest, person
from aggregator.api.models import NO_SUCH
from aggregator.commands.convergence import Convergence
from aggregator.errors import ConflictError, InvalidError, NotFoundError
from aggregator.shapes import CommandShape, DeviceShape, command_shape, maybe_rfc3339
from aggregator.store.audit import audit
from aggregator.store.commands import CommandFilter, find_commands
from aggregator.store.database import Database
from aggregator.store.desired import Desired, DesiredRow, Mode, find_desired, set_desired
from aggregator.store.models import find_model
from contract.identifiers import ModelId


class DesiredGiven(msgspec.Struct, frozen=True):
    """What a device is to be from now on; null: whatever it is."""

    model_id: ModelId | None = None
    mode: Mode | None = None


class Difference(msgspec.Struct, frozen=True):
    """In what a device is not what it is to be."""

    what: Literal["model_id", "mode"]
    desired: str
    reported: str | None


class DesiredShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a device is to be, and what it is."""

    device_id: str
    desired: DesiredGiven
    reported: DesiredGiven
    models: list[str]  # that the device holds
    differences: list[Difference]
    drifting_since: str | None  # said when it has differed for five minutes
    set_by: str | None
    set_at: str | None
    last_install: CommandShape | None  # what the device said of the last model that it was given


@get("/{device_id:str}/desired")
async def get_desired(
    request: ApiRequest, device_id: str, database: NamedDependency[Database]
) -> DesiredShape:
    """Return what a device is to be, what it says it is, and where these differ."""
    return await _shape(database, request.user.organization, device_id)


@put("/{device_id:str}/desired", opt=ADMIN)
async def put_desired(
    request: ApiRequest,
    device_id: str,
    data: DesiredGiven,
    database: NamedDependency[Database],
    convergence: NamedDependency[Convergence],
) -> DesiredShape:
    """Say with which model a device is to judge and in which mode it is to act.

    It is told as soon as it is there, and again until it has answered; a model is tried on the
    device before it judges. A model may be any that is not retired, or one that the device holds.
    """
    who = person(request).user
    device = await find_device(database, who.organization, device_id)
    if device.type not in AGENTS and (data.model_id or data.mode):
        message = f"{device_id} is no agent: it has neither a model nor a mode"
        raise InvalidError(message)
    before = await find_desired(database, who.organization, device_id)
    desired = Desired(
        model_id=data.model_id,
        sha256=await _digest(database, who.organization, device, data.model_id),
        mode=data.mode,
    )
    now_ns = time.time_ns()
    await database.write(
        set_desired(who.organization, device_id, desired, (who.id, who.username), now_ns),
        audit(
            who,
            "device.desire",
            device_id,
            now_ns=now_ns,
            before=_given(before),
            after=data,
        ),
    )
    convergence.look_soon()
    return await _shape(database, who.organization, device_id)


async def _digest(
    database: Database, organization: str, device: DeviceShape, model_id: str | None
) -> str | None:
    """Return by which digest a device is to know a model, None where it is to take what it holds.

    Raises:
        NotFoundError: Neither we nor the device have it.
        ConflictError: It is retired, and the device does not hold it.
    """
    if model_id is None:
        return None
    known = await find_model(database, organization, model_id)
    if known is not None and known.retired_ns is None:
        return known.sha256
    if model_id in device.models:
        return None
    if known is None:
        raise NotFoundError(NO_SUCH)
    message = f"{model_id} is retired: no device is given it any more"
    raise ConflictError(message)


def _given(row: DesiredRow | None) -> DesiredGiven:
    return DesiredGiven(row.model_id, row.mode) if row is not None else DesiredGiven()


async def _shape(database: Database, organization: str, device_id: str) -> DesiredShape:
    device = await find_device(database, organization, device_id)
    row = await find_desired(database, organization, device_id)
    desired = _given(row)
    wanted = CommandFilter(device_id=device_id, kind="install_model", limit=1)
    installs = await find_commands(database, organization, wanted)
    pairs: tuple[tuple[Literal["model_id", "mode"], str | None, str | None], ...] = (
        ("model_id", desired.model_id, device.model_id),
        ("mode", desired.mode, device.mode),
    )
    return DesiredShape(
        device_id=device_id,
        desired=desired,
        reported=msgspec.convert({"model_id": device.model_id, "mode": device.mode}, DesiredGiven),
        models=device.models,
        differences=[
            Difference(what, wish, told)
            for what, wish, told in pairs
            if wish is not None and wish != told
        ],
        drifting_since=device.drifting_since,
        set_by=row.username if row is not None else None,
        set_at=maybe_rfc3339(row.set_ns if row is not None else None),
        last_install=command_shape(installs[0]) if installs else None,
    )


router = Router(
    "/devices", route_handlers=[get_desired, put_desired], tags=["devices"], opt=EVEN_OVER_PLAN
)
