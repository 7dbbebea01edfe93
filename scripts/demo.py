"""`make demo`: aggregator, broker and an agent that replays a bundled capture, on this machine.

Needs nothing but the standard library, so that it can say clearly what is wrong with the rest.
DEMO_PORT and DEMO_SECONDS choose the port and the end; EDGEWARDEN_ variables set the aggregator.
"""

import asyncio
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent
CAPTURE = ROOT / "agent" / "demo" / "home-lan.pcap.gz"
READY_TIMEOUT_S = 60.0
GRACE_S = 5.0
LOG_LINES_SHOWN = 20
AGENT_SETTINGS = """\
device_id = "demo-pi"

[policy]
mode = "observe"

[isolation]
enforcer = "dry_run"

[spool]
path = "{spool}"

[commands]
public_key_file = "{key}"

[broker]
host = "127.0.0.1"
port = {broker_port}
"""


class DemoError(Exception):
    """What a person is told before the demo ends with code 1."""


@dataclass(frozen=True)
class Demo:
    """One run: its ports, its folder and the sign-in."""

    port: int
    broker_port: int
    password: str
    folder: Path
    seconds: float | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Demo":
        """Take what is set and choose the rest.

        Raises:
            DemoError: A number is none, or the port is taken.
        """
        port = int(_number(environment, "DEMO_PORT", "EDGEWARDEN_HTTP__PORT") or 8000)
        _check_free(port)
        return cls(
            port=port,
            broker_port=int(_number(environment, "EDGEWARDEN_BROKER__PORT") or _free_port()),
            password=environment.get("EDGEWARDEN_ADMIN_PASSWORD") or secrets.token_urlsafe(9),
            folder=ROOT / ".cache" / f"demo-{port}",
            seconds=_number(environment, "DEMO_SECONDS"),
        )

    def settings(self) -> dict[str, str]:
        """Return the aggregator's variables; what a person set wins over the defaults."""
        defaults = {
            "EDGEWARDEN_STORE__PATH": str(self.folder / "data"),
            "EDGEWARDEN_HTTP__HOST": "127.0.0.1",
            # Clients of the alert wall and device services show no token; here only this machine
            # reaches them.
            "EDGEWARDEN_WALL__OPEN": "true",
            "EDGEWARDEN_WALL__DEMO": "true",
            "EDGEWARDEN_DEVICE_EVENTS__OPEN": "true",
        }
        # Without a broker's address the aggregator starts one, which is what a demo wants.
        given = {
            name: value
            for name, value in os.environ.items()
            if name.startswith("EDGEWARDEN_") and not name.startswith("EDGEWARDEN_BROKER__")
        }
        chosen = {
            "EDGEWARDEN_HTTP__PORT": str(self.port),
            "EDGEWARDEN_BROKER__PORT": str(self.broker_port),
            "EDGEWARDEN_ADMIN_PASSWORD": self.password,
        }
        return defaults | given | chosen

    def prepare(self) -> None:
        """Begin with an empty folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        settings = AGENT_SETTINGS.format(
            spool=self.folder / "spool.sqlite",
            key=self.folder / "commands.pem",
            broker_port=self.broker_port,
        )
        (self.folder / "agent.toml").write_text(settings, encoding="utf-8")


@dataclass(frozen=True)
class Program:
    """A program of ours that runs, and where its log lies."""

    name: str
    process: asyncio.subprocess.Process
    log: Path
    may_end: bool

    def check(self) -> None:
        """Raise DemoError, with the end of the log, where the program ended as it may not."""
        code = self.process.returncode
        if code is None or (code == 0 and self.may_end):
            return
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        shown = "\n".join(lines[-LOG_LINES_SHOWN:])
        message = f"{self.name} ended with code {code}:\n{shown}"
        raise DemoError(message)

    async def end(self) -> None:
        """Ask the program to end; after a while, end it and everything it started."""
        if self.process.returncode is None:
            self.process.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE_S):
                    await self.process.wait()
        with suppress(ProcessLookupError):  # usually nobody is left in its group
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def started(
    demo: Demo, name: str, *arguments: str | Path, settings: Mapping[str, str]
) -> AsyncIterator[Program]:
    """Run one of our console commands for the length of the block.

    `settings` replace every variable of ours, since a program refuses settings it does not know.
    """
    # setpriv ends the program with us even where we are killed and can do nothing any more.
    tie = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
    path = demo.folder / f"{name}.log"
    with path.open("wb") as log:
        # A session of its own: Ctrl-C reaches us alone, and we end the programs in order.
        process = await asyncio.create_subprocess_exec(
            *tie,
            PROGRAMS / name,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**_without_ours(), **settings},
            start_new_session=True,
        )
    program = Program(name, process, path, may_end="--replay" in arguments)
    try:
        yield program
    finally:
        await program.end()


async def run(demo: Demo, stop: asyncio.Event) -> None:
    """Run both programs until `stop`, or until the demo's seconds are over.

    Raises:
        DemoError: A program ended by itself, or the aggregator does not answer.
    """
    serving = started(demo, "edgewarden-aggregator", "serve", settings=demo.settings())
    async with serving as aggregator:
        if not await _ready(demo, aggregator, stop):
            return
        await _give_key(demo)
        config = ("--config", demo.folder / "agent.toml")
        replay = ("run", *config, "--replay", CAPTURE, "--speed", "1")
        async with started(demo, "edgewarden-agent", *replay, settings={}) as agent:
            print(_invitation(demo, aggregator), flush=True)
            await _watch((aggregator, agent), demo.seconds, stop)


async def _give_key(demo: Demo) -> None:
    """Let the agent know by which key to believe the aggregator's commands."""
    with (demo.folder / "commands.pem").open("wb") as file:
        asked = await asyncio.create_subprocess_exec(
            PROGRAMS / "edgewarden-aggregator",
            "command-key",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            env={**_without_ours(), **demo.settings()},
        )
    if await asked.wait():
        message = "the aggregator gives no key for commands"
        raise DemoError(message)


def _without_ours() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("EDGEWARDEN_")}


async def _ready(demo: Demo, aggregator: Program, stop: asyncio.Event) -> bool:
    """Wait until the aggregator answers; False when the demo is to stop before that."""
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            while not stop.is_set():
                aggregator.check()
                if await asyncio.to_thread(_answers, demo.port):
                    return True
                await asyncio.sleep(0.1)
    except TimeoutError:
        message = f"the aggregator does not answer: see {aggregator.log}"
        raise DemoError(message) from None
    return False


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


async def _watch(
    programs: tuple[Program, ...], seconds: float | None, stop: asyncio.Event
) -> None:
    async with asyncio.TaskGroup() as tasks:
        watchers = [tasks.create_task(_until_ended(p, stop), name=p.name) for p in programs]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()
        for watcher in watchers:
            watcher.cancel()
    for program in programs:
        program.check()


async def _until_ended(program: Program, stop: asyncio.Event) -> None:
    code = await program.process.wait()
    if code == 0 and program.may_end:
        print("The capture is over; what it showed stays until Ctrl-C.", file=sys.stderr)
    else:
        stop.set()


def _invitation(demo: Demo, aggregator: Program) -> str:
    return (
        f"Edgewarden demo: http://localhost:{demo.port}  sign in as admin / {demo.password}"
        f"  (broker: {_broker(aggregator.log)}; Ctrl-C ends)"
    )


def _broker(log: Path) -> str:
    """Return which broker the aggregator has started, as its log tells."""
    for line in log.read_text(encoding="utf-8").splitlines():
        with suppress(json.JSONDecodeError):
            event = json.loads(line)
            if event.get("event") == "serving":
                return str(event["broker"])
    return "the one configured"


def _number(environment: Mapping[str, str], *names: str) -> float | None:
    for name in names:
        if value := environment.get(name):
            try:
                return float(value)
            except ValueError as error:
                message = f"{name}={value} is not a number"
                raise DemoError(message) from error
    return None


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            message = f"port {port} cannot be used ({error}); try: DEMO_PORT=8001 make demo"
            raise DemoError(message) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def main() -> int:
    """Run the demo; return its exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        demo = Demo.from_environment(os.environ)
        demo.prepare()
        await run(demo, stop)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
