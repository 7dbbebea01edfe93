"""/api/v1/devices/…/commands: what devices are told to do, and how far they say they are."""

import secrets
import time
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, Router, get, post, put
from litestar.di import NamedDependency

from aggregator.api.devices import find_device
from aggregator.api.identity import (
    EVEN_OVER_PLAN,
    OPERATOR,
    OPERATOR_OR_DEVICE,
    ApiRequest,
    Machine,
    person,
)
from aggregator.api.paging import Limit, Skip, paged
from aggregator.commands.commander import Commander
from aggregator.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from aggregator.shapes import NS_PER_S, CommandShape, command_shape
from aggregator.store.commands import (
    CommandFilter,
    CommandKey,
    DueCommand,
    NewCommand,
    count_commands,
    find_commands,
    move_commands,
    note_sent,
)
from aggregator.store.database import Database
from aggregator.store.desired import find_desired
from aggregator.store.reported import Reported
from aggregator.store.users import SessionUser
from contract.commands import AnyCommand, InstallModel, Isolate, Release, SetMode
from contract.identifiers import LongText
from contract.messages import CommandAck, CommandState

AGENTS: Final = frozenset({"edge_ml", "feature_extraction"})  # get theirs over MQTT, signed
MAX_BODY_CHARACTERS: Final = 8192
POLLED_VALID_S: Final = 24 * 3600
EXECUTED: Final = "executed"  # how devices that poll say `applied`

Kind = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$(?!\n)")]
Told = Literal["received", "executed", "applied", "verified", "failed"]


class CommandGiven(msgspec.Struct, frozen=True):
    """A command: for an agent one of ours, for others whatever they understand."""

    command: Kind
    parameters: dict[str, Any] = {}


class CommandTold(msgspec.Struct, frozen=True):
    """How far a device is with a command."""

    status: Told = EXECUTED
    detail: LongText = ""


@post("/{device_id:str}/commands", opt=OPERATOR)
async def post_command(
    request: ApiRequest,
    device_id: str,
    data: CommandGiven,
    database: NamedDependency[Database],
    commander: NamedDependency[Commander],
) -> CommandShape:
    """Queue a command; agents are told over MQTT, other devices when they ask."""
    who = person(request).user
    device = await find_device(database, who.organization, device_id)
    if device.type in AGENTS:
        command = _ours(data)
        if isinstance(command, SetMode):
            await _check_desired(database, who.organization, device_id, command)
        row = await commander.queue(who, device_id, command, "command.queue")
        return command_shape(row)
    now_ns = time.time_ns()
    new = _polled(who, device_id, data, now_ns)
    return command_shape(await commander.keep(who, new, "command.queue", now_ns))


@get("/{device_id:str}/commands", opt={"role": "viewer", "own_device": True})
async def list_commands(  # noqa: PLR0913  one parameter for each filter
    request: ApiRequest,
    device_id: str,
    database: NamedDependency[Database],
    commander: NamedDependency[Commander],
    *,
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[CommandShape]]:
    """Return a device's commands, newest first; the device itself gets those it has to carry out.

    X-Total-Count says how many there are in all.

    What a device was given once it is given again until it tells how far it is.
    """
    organization = request.user.organization
    await find_device(database, organization, device_id)
    if not isinstance(request.user, Machine):
        wanted = CommandFilter(device_id=device_id, skip=skip, limit=limit)
        rows = await find_commands(database, organization, wanted)
        total = await count_commands(database, organization, wanted)
        return paged([command_shape(row) for row in rows], total)
    wanted = CommandFilter(device_id=device_id, open_only=True)
    rows = await find_commands(database, organization, wanted)
    now_ns = time.time_ns()
    given = [
        DueCommand(organization, device_id, row.command_id, b"", row.expires_ns) for row in rows
    ]
    await database.write(*[note_sent(each, now_ns) for each in given])
    await commander.tell([CommandKey(organization, each.command_id) for each in given])
    ids = [each.command_id for each in given]
    wanted = CommandFilter(device_id=device_id, command_ids=ids)
    shown = await find_commands(database, organization, wanted)
    return paged([command_shape(row) for row in reversed(shown)], len(shown))


@put("/{device_id:str}/commands/{command_id:str}", opt=OPERATOR_OR_DEVICE)
async def put_command(  # noqa: PLR0913  what a request needs
    request: ApiRequest,
    device_id: str,
    command_id: str,
    database: NamedDependency[Database],
    commander: NamedDependency[Commander],
    *,
    data: CommandTold | None = None,
) -> CommandShape:
    """Take a device's word on how far it is with a command; nobody else's moves it."""
    organization = request.user.organization
    wanted = CommandFilter(device_id=device_id, command_ids=[command_id])
    if not await find_commands(database, organization, wanted):
        message = "no such command"
        raise NotFoundError(message)
    if not isinstance(request.user, Machine):
        message = "only the device itself says how far it is: use its key"
        raise ForbiddenError(message)
    told = data or CommandTold()
    state: CommandState = "applied" if told.status == EXECUTED else told.status
    now_ns = time.time_ns()
    ack = CommandAck(command_id=command_id, state=state, at_ns=now_ns, detail=told.detail)
    await database.write(move_commands([Reported(organization, device_id, "", now_ns, ack)]))
    await commander.tell([CommandKey(organization, command_id)])
    return command_shape(await commander.find(organization, command_id))


def _ours(given: CommandGiven) -> AnyCommand:
    try:
        command: AnyCommand = msgspec.convert(
            {"type": given.command, **given.parameters}, AnyCommand
        )
    except msgspec.ValidationError as error:
        message = f"an agent does not understand this: {error}"
        raise InvalidError(message) from error
    if isinstance(command, Isolate | Release):
        message = "isolations are asked for and lifted at /api/v1/ports"
        raise InvalidError(message)
    if isinstance(command, InstallModel):
        message = "which model a device is to judge with is said at its /desired"
        raise InvalidError(message)
    return command


async def _check_desired(
    database: Database, organization: str, device_id: str, command: SetMode
) -> None:
    desired = await find_desired(database, organization, device_id)
    if desired is not None and desired.mode not in {None, command.mode}:
        message = f"{device_id} is to be in mode {desired.mode}: say another at its /desired"
        raise ConflictError(message)


def _polled(who: SessionUser, device_id: str, given: CommandGiven, now_ns: int) -> NewCommand:
    body = msgspec.json.encode(given.parameters).decode()
    if len(body) > MAX_BODY_CHARACTERS:
        message = f"the parameters are longer than {MAX_BODY_CHARACTERS} characters"
        raise InvalidError(message)
    return NewCommand(
        organization=who.organization,
        device_id=device_id,
        command_id=secrets.token_hex(16),
        kind=given.command,
        isolation_id=None,
        body=body,
        payload=None,
        user_id=who.id,
        username=who.username,
        expires_ns=now_ns + POLLED_VALID_S * NS_PER_S,
    )


router = Router(
    "/devices",
    route_handlers=[post_command, list_commands, put_command],
    tags=["devices"],
    opt=EVEN_OVER_PLAN,
)
