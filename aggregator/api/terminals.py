"""/ws/terminal: a terminal on a device; /api/v1/terminals: which there were, and what they showed."""

import asyncio
import time
from typing import Annotated, Final, NoReturn, TypeAlias

import msgspec
from litestar import Response, Router, delete, get, put, websocket
from litestar.di import NamedDependency
from litestar.response import File
from litestar.status_codes import HTTP_204_NO_CONTENT

from aggregator.api.authorization import AuthorizationCodes
from aggregator.api.identity import (
    ADMIN,
    OPERATOR,
    PUBLIC,
    ApiRequest,
    Guest,
    Identity,
    Person,
    person,
    require,
)
from aggregator.api.live import CHECK_S, FORBIDDEN, AuthMessage, Door, OverError, Socket
from aggregator.api.paging import Limit, Skip, paged
from aggregator.config import ShellConfig
from aggregator.errors import AggregatorError, ForbiddenError, NotFoundError
from aggregator.shapes import maybe_rfc3339, rfc3339
from aggregator.shell.recording import Recording, Recordings
from aggregator.shell.shells import Shells
from aggregator.shell.ssh import Terminal
from aggregator.store.audit import audit
from aggregator.store.database import Database
from aggregator.store.devices import Page
from aggregator.store.terminals import (
    TerminalRow,
    count_terminals,
    find_terminal,
    find_terminals,
)
from aggregator.store.users import SessionUser
from contract.identifiers import whole

EXPECTED: Final = (
    "expected: connect (host, port, username, password, authorization_code?), input (data) or"
    " resize (rows, cols), as JSON"
)
ASCIICAST: Final = "application/x-asciicast"
MOST_EARLY: Final = 4096  # characters, typed before the device has opened
USUAL_SIZE: Final = (24, 80)  # of who tells none
_TIMES_LOOKED: Final = 4  # for silence, within what is allowed of it

Rows = Annotated[int, msgspec.Meta(ge=1, le=500)]
Columns = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Short = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Connect(msgspec.Struct, frozen=True, tag="connect", tag_field="type"):
    """Open a terminal on a device."""

    host: Short
    username: Short
    password: Annotated[str, msgspec.Meta(max_length=1024)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 22
    rows: Rows | None = None  # None: as the last resize said
    cols: Columns | None = None
    authorization_code: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class Input(msgspec.Struct, frozen=True, tag="input", tag_field="type"):
    """Keys."""

    data: str


class Resize(msgspec.Struct, frozen=True, tag="resize", tag_field="type"):
    """The window has another size."""

    rows: Rows
    cols: Columns


Said: TypeAlias = Connect | Input | Resize | AuthMessage


class HostKeyGiven(msgspec.Struct, frozen=True):
    """The fingerprint of a device's host key, as OpenSSH shows it."""

    host_key: Annotated[str, msgspec.Meta(pattern=whole(r"SHA256:[A-Za-z0-9+/]{43}"))]


class TerminalShape(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal that was opened."""

    id: str
    device_id: str
    user_id: int
    username: str
    ssh_username: str
    opened_at: str
    closed_at: str | None  # None: it is open
    reason: str | None


class ClosedError(Exception):
    """The terminal is over, for this reason."""


class Terminals(msgspec.Struct, frozen=True):
    """What a terminal needs."""

    shells: Shells
    recordings: Recordings
    database: Database
    codes: AuthorizationCodes
    config: ShellConfig


class Session:
    """What one socket does: a terminal at a time.

    Args:
        socket: The client's.
        door: Where it came in; knows who they are by now.
        who: They.
        parts: What a terminal needs.
        tasks: Where it runs.
    """

    def __init__(
        self, socket: Socket, door: Door, who: Person, parts: "Terminals", tasks: asyncio.TaskGroup
    ) -> None:
        self._socket = socket
        self._door = door
        self._who = who
        self._parts = parts
        self._tasks = tasks
        self._running: asyncio.Task[None] | None = None
        self._open: tuple[Terminal, Recording] | None = None
        self._size = USUAL_SIZE
        self._early = ""  # what is typed while the device opens
        self._heard_s = time.monotonic()

    async def take(self, text: str) -> None:
        """Do what a client says."""
        try:
            # Not strict: forms send the port as text, as over HTTP.
            said: Said = msgspec.json.decode(text, type=Said, strict=False)
        except (msgspec.MsgspecError, RecursionError):
            await self._tell("error", error=EXPECTED)
            return
        self._heard_s = time.monotonic()
        match said:
            case Connect():
                await self._connect(said)
            case Input(data):
                await self._type(data)
            case Resize(rows, columns):
                self._resize(rows, columns)
            case AuthMessage():
                pass  # who they are was shown at the door

    def leave(self) -> None:
        """End the terminal: nobody looks any more."""
        if self._running is not None:
            self._running.cancel()

    async def _connect(self, said: Connect) -> None:
        if self._connects:
            await self._tell("error", error="a terminal is open: leave it first")
            return
        rows, columns = self._size
        self._size = (said.rows or rows, said.cols or columns)
        self._running = self._tasks.create_task(self._run(said), name="terminal")

    async def _type(self, data: str) -> None:
        if self._open is not None:
            await self._open[0].write(data.encode(errors="replace"))
        elif not self._connects:
            await self._tell("error", error="no terminal is open: connect first")
        elif len(self._early) + len(data) > MOST_EARLY:
            await self._tell("error", error="too much is typed before the device opens")
        else:
            self._early += data

    def _resize(self, rows: int, columns: int) -> None:
        """Remember the size, for the next terminal if there is none."""
        self._size = (rows, columns)
        if self._open is not None:
            terminal, recording = self._open
            terminal.resize(rows, columns)
            recording.resize(rows, columns)

    @property
    def _connects(self) -> bool:
        return self._running is not None and not self._running.done()

    async def _run(self, said: Connect) -> None:
        user = self._who.user
        try:
            user = await self._by_now()
            way = await self._parts.shells.way_to_host(user.organization, said.host, said.port)
            await self._parts.codes.step_up(
                user, said.authorization_code, everybody=self._parts.config.step_up == "always"
            )
            await self._tell("status", status="connecting")
            async with self._parts.shells.line(user, way, said.username, said.password) as line:
                size = self._size
                terminal = await line.terminal(*size)
                recordings = self._parts.recordings
                async with recordings.record(
                    user, way.device_id, said.username, size
                ) as recording:
                    self._open = (terminal, recording)
                    if self._size != size:  # it changed while the device opened
                        self._resize(*self._size)
                    await terminal.write(self._early.encode(errors="replace"))
                    await self._show(terminal, recording)
                await self._tell("status", status="disconnected", reason=recording.reason)
        except AggregatorError as error:
            place = f"{said.host} port {said.port}"
            refused = audit(
                user, "terminal.refuse", place, now_ns=time.time_ns(), detail=str(error)
            )
            await self._parts.database.write(refused)
            await self._tell("error", error=str(error))
        finally:
            self._open, self._early = None, ""

    async def _show(self, terminal: Terminal, recording: Recording) -> None:
        await self._tell("status", status="connected")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch(), name="terminal-watch")
                _over(await self._pump(terminal, recording))
        except* ClosedError as group:
            recording.reason = str(group.exceptions[0])

    async def _pump(self, terminal: Terminal, recording: Recording) -> str:
        """Send what the device shows until it is over; return why it is.

        A client that reads slowly makes the device wait.
        """
        while data := await terminal.read():
            text = recording.show(data)
            if text:
                await self._tell("data", data=text)
            if recording.is_full:
                return "the recording is full"
        return "the shell ended"

    async def _watch(self) -> None:
        """End the terminal when nobody types, when it has been open for long, or who may not any more."""
        config, opened_s = self._parts.config, time.monotonic()
        while True:
            await asyncio.sleep(min(config.idle_s / _TIMES_LOOKED, CHECK_S))
            now_s = time.monotonic()
            if now_s - self._heard_s > config.idle_s:
                _over(f"nothing was typed for {config.idle_s} s")
            if now_s - opened_s > config.longest_s:
                _over(f"it was open for {config.longest_s} s")
            try:
                await self._by_now()
            except (ForbiddenError, OverError):
                _over("its opener may not any more")

    async def _by_now(self) -> SessionUser:
        """Return who they are by now.

        Raises:
            ForbiddenError: Somebody who may not any more.
            OverError: Nobody.
        """
        return operator(await self._door.by_now(self._who)).user

    async def _tell(self, kind: str, **what: str) -> None:
        await tell(self._socket, kind, **what)


async def tell(socket: Socket, kind: str, **what: str) -> None:
    """Send one message to a terminal's client."""
    await socket.send_data(msgspec.json.encode({"type": kind} | what), mode="text")


def operator(who: Identity | Guest) -> Person:
    """Return who may open terminals.

    Raises:
        ForbiddenError: They may not.
    """
    if not isinstance(who, Person):
        message = "terminals are for people"
        raise ForbiddenError(message)
    require(who, OPERATOR, {})
    return who


def _over(reason: str) -> NoReturn:
    raise ClosedError(reason)


@websocket("/ws/terminal", opt=PUBLIC)
async def open_terminal(
    socket: Socket, door: NamedDependency[Door], terminals: NamedDependency[Terminals]
) -> None:
    """Give an operator a terminal on a device, until one of us goes."""
    visitor = await door.enter(socket)
    if visitor is None:
        return
    try:
        who = operator(visitor.who)
    except ForbiddenError as error:
        await tell(socket, "error", error=str(error))
        await socket.close(code=FORBIDDEN)
        return
    async with asyncio.TaskGroup() as tasks:
        session = Session(socket, door, who, terminals, tasks)
        try:
            await door.serve(socket, visitor, take=session.take)
        finally:
            session.leave()


@get("/terminals", opt=OPERATOR)
async def list_terminals(
    request: ApiRequest, database: NamedDependency[Database], skip: Skip = 0, limit: Limit = 100
) -> Response[list[TerminalShape]]:
    """Return who opened terminals, newest first; X-Total-Count says how many there are in all."""
    organization = request.user.organization
    rows = await find_terminals(database, organization, Page(limit, skip))
    total = await count_terminals(database, organization)
    return paged([_shape(row) for row in rows], total)


@get("/terminals/{terminal_id:str}/recording", opt=OPERATOR, media_type=ASCIICAST)
async def get_recording(
    request: ApiRequest,
    terminal_id: str,
    database: NamedDependency[Database],
    terminals: NamedDependency[Terminals],
) -> File:
    """Return what a terminal showed, for a player of asciicast v2; an open one as far as it is."""
    row = await find_terminal(database, request.user.organization, terminal_id)
    path = terminals.recordings.path(row.terminal_id) if row is not None else None
    if path is None or not path.exists():
        message = f"there is no recording of a terminal {terminal_id}"
        raise NotFoundError(message)
    return File(path, filename=path.name, media_type=ASCIICAST)


@put("/devices/{device_id:str}/host-key", opt=ADMIN, status_code=HTTP_204_NO_CONTENT)
async def accept_host_key(
    request: ApiRequest, device_id: str, data: HostKeyGiven, shells: NamedDependency[Shells]
) -> None:
    """Expect this key of a device from now on."""
    await shells.trust(person(request).user, device_id, data.host_key)


@delete("/devices/{device_id:str}/host-key", opt=ADMIN)
async def forget_host_key(
    request: ApiRequest, device_id: str, shells: NamedDependency[Shells]
) -> None:
    """Expect no key of a device any more: it has another one, and the next is the first again."""
    await shells.trust(person(request).user, device_id, None)


def _shape(row: TerminalRow) -> TerminalShape:
    return TerminalShape(
        id=row.terminal_id,
        device_id=row.device_id,
        user_id=row.user_id,
        username=row.username,
        ssh_username=row.ssh_username,
        opened_at=rfc3339(row.opened_ns),
        closed_at=maybe_rfc3339(row.closed_ns),
        reason=row.reason,
    )


router = Router(
    "/",
    route_handlers=[list_terminals, get_recording, accept_host_key, forget_host_key],
    tags=["terminals"],
)
