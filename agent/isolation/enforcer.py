"""The enforcer as a process of its own: CAP_NET_ADMIN and no frames. And the agent's side of it."""

import asyncio
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TypeVar

import msgspec

from agent.centre import Centre
from agent.config import AgentConfig
from agent.errors import AgentError, EnforcerGoneError, IsolationError
from agent.exempt import Exempt, uplinks, written_down
from agent.isolation import GuardedIsolator, Isolator, Lease
from agent.isolation.guard import ExemptError, Guard
from agent.isolation.on_this_box import chosen_isolator
from agent.isolation.requests import (
    Answer,
    Apply,
    Begin,
    Clear,
    Done,
    ExemptAre,
    Failed,
    Held,
    ReadBack,
    Refresh,
    Refused,
    Request,
    receive,
    send,
)
from agent.isolation.snmp import read_login
from agent.isolation.surroundings import Surroundings
from contract.commands import MAX_ISOLATION_S
from runtime.capabilities import CAP_NET_ADMIN, give_up, keep_only
from runtime.errors import ConfigError

log = logging.getLogger(__name__)

SECOND_NS: Final = 1_000_000_000
ANSWER_S: Final = 60.0
LOOK_S: Final = 10.0
LET_GO_S: Final = 12.0
LEAVE_S: Final = 15.0  # less than the unit's TimeoutStopSec

Kind = TypeVar("Kind", bound=Answer)


def serve(descriptor: int) -> int:
    """Enforce what is asked for on a socket until its other end is closed; return the exit code.

    What the kernel ends by itself then goes on to hold, or the next agent takes it over; of other
    enforcers everybody is let go.
    """
    keep_only({CAP_NET_ADMIN})
    # A stop is for the agent, which may still want to isolate: we end when it has ended.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as line:
        line.settimeout(0)
        return asyncio.run(_serve(line))


async def _serve(line: socket.socket) -> int:
    try:
        begin = await receive(line, Begin)
        guard = _guard(begin)
    except (OSError, ValueError, ConfigError):
        return 1
    if begin.isolation.enforcer == "snmp_switch":
        keep_only(set())  # a switch takes no right on this box
    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(_look_around(guard), name="exempt")
        code = await _obey_all(guard, line)
        looking.cancel()
    if not guard.ends_by_itself:
        await _let_all_go(guard)
    return code


async def _let_all_go(guard: Guard) -> None:
    """Free everybody: with the agent goes who would end their leases in time."""
    try:
        async with asyncio.timeout(LET_GO_S):
            await guard.clear()
    except (IsolationError, TimeoutError) as error:
        fix = "start the agent again, or: edgewarden-agent release --all"
        log.error("left_cut_off", extra={"why": str(error), "fix": fix})  # noqa: TRY400


async def _look_around(guard: Guard) -> None:
    """Look by itself, so that no request has to wait for a name server."""
    while True:
        try:
            await guard.refresh()
        except IsolationError as error:
            log.debug("exempt_not_refreshed", extra={"why": str(error)})  # the agent tells
        await asyncio.sleep(LOOK_S)


async def _obey_all(guard: Guard, line: socket.socket) -> int:
    try:
        while True:
            request: Request = await receive(line, Request)  # type: ignore[arg-type]
            await send(line, await _obeyed(guard, request))
    except OSError:
        return 0  # the agent has ended
    except ValueError as error:  # nobody of ours speaks like that
        log.error("request_refused", extra={"why": str(error)})  # noqa: TRY400
        return 1


def _guard(begin: Begin) -> Guard:
    isolator = chosen_isolator(begin.isolation, begin.folder)
    return Guard(isolator, surroundings(begin, isolator).look)


def surroundings(begin: Begin, isolator: Isolator) -> Surroundings:
    """Return who finds the exempt, and behind which of the isolator's ports they live."""
    exempt = [*written_down(begin.exempt), *uplinks(begin.isolation.uplinks)]
    return Surroundings(exempt, begin.names, isolator.learnt)


async def _obeyed(guard: Guard, request: Request) -> Answer:
    try:
        match request:
            case Apply(leases):
                await guard.apply([_bounded(lease) for lease in leases])
            case ReadBack():
                return Held(list(await guard.read_back()))
            case Clear():
                await guard.clear()
            case Refresh():
                return ExemptAre((await guard.latest()).exemptions)
    except ExemptError as error:
        return Refused(error.refused)
    except IsolationError as error:
        return Failed(str(error))
    return Done()


def _bounded(lease: Lease) -> Lease:
    longest_ns = time.time_ns() + MAX_ISOLATION_S * SECOND_NS
    return msgspec.structs.replace(lease, expires_ns=min(lease.expires_ns, longest_ns))


class Enforcer:
    """The agent's side: an isolator that asks the process which may do it."""

    def __init__(self, line: socket.socket, begin: Begin) -> None:
        self.name: str = begin.isolation.enforcer
        self._line = line
        self._line.settimeout(0)
        self._begin: Begin | None = begin  # until it is sent
        self._turn = asyncio.Lock()

    async def apply(self, desired: Sequence[Lease]) -> None:
        """Make exactly these leases hold, but for those that hit the exempt."""
        await self._ask(Apply(list(desired)), Done)

    async def read_back(self) -> tuple[Lease, ...]:
        """Return the leases that hold."""
        return tuple((await self._ask(ReadBack(), Held)).leases)

    async def clear(self) -> None:
        """Let everybody go."""
        await self._ask(Clear(), Done)

    async def refresh(self) -> Exempt:
        """Return who is exempt, by the enforcer's last look: it looks by itself."""
        return Exempt((await self._ask(Refresh(), ExemptAre)).exemptions)

    async def _ask(self, request: Request, kind: type[Kind]) -> Kind:
        async with self._turn:
            try:
                async with asyncio.timeout(ANSWER_S):
                    answer = await self._exchange(request)
            except (OSError, ValueError) as error:
                message = f"the enforcer is gone: {error}"
                raise EnforcerGoneError(message) from error
        if isinstance(answer, Refused):
            raise ExemptError(answer.refused)
        if isinstance(answer, Failed):
            raise IsolationError(answer.why)
        if isinstance(answer, kind):
            return answer
        message = f"the enforcer answered {type(answer).__name__}"
        raise EnforcerGoneError(message)

    async def _exchange(self, request: Request) -> Answer:
        if self._begin is not None:
            await send(self._line, self._begin)
            self._begin = None
        await send(self._line, request)
        answer: Answer = await receive(self._line, Answer)  # type: ignore[arg-type]
        return answer


@contextmanager
def started_enforcer(begin: Begin, prefix: Sequence[str] = ()) -> Iterator[Enforcer]:
    """Start the process and be connected with it; it ends when the connection does.

    Args:
        begin: Who enforces, and who is exempt.
        prefix: What to put in front of the program.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        number = str(theirs.fileno())
        # -P: what lies in the current folder is no module of ours.
        program = (*prefix, sys.executable, "-P", "-m", "agent", "enforce", number)
        process = subprocess.Popen(program, pass_fds=[theirs.fileno()])  # noqa: S603 it is us
        theirs.close()
        try:
            yield Enforcer(ours, begin)
        finally:
            ours.close()
            _leave(process)


@contextmanager
def apart(config: AgentConfig) -> Iterator[GuardedIsolator]:
    """Hand the right to change the network to a process that reads no frames, and give it up here.

    Raises:
        AgentError: It cannot be given up.
        ConfigError: The credentials of the switch cannot be used.
    """
    if config.isolation.enforcer == "snmp_switch":
        read_login(config.isolation.switch)  # told here, before it is needed
    with ExitStack() as stack:
        if config.isolation.enforcer == "dry_run":
            guard: GuardedIsolator = guarded(config)
        else:
            guard = stack.enter_context(started_enforcer(beginning_of(config)))
        try:
            give_up(CAP_NET_ADMIN)
        except OSError as error:
            message = f"CAP_NET_ADMIN cannot be given up: {error}; allow the system call capset"
            raise AgentError(message) from error
        yield guard


def _leave(process: subprocess.Popen[Any]) -> None:
    try:
        process.wait(LEAVE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def beginning_of(config: AgentConfig) -> Begin:
    """Return what an enforcer has to know of the settings."""
    names = {config.broker.host: "the broker"}
    if config.centre.url:
        names.setdefault(Centre(config.centre.url, config.centre.ca_file).host, "the centre")
    return Begin(config.isolation, config.policy.exempt, names, config.spool.path.parent)


def guarded(config: AgentConfig) -> GuardedIsolator:
    """Return an enforcer within this process, which may then do all that it needs."""
    return _guard(beginning_of(config))
