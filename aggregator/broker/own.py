"""Starts the broker of our own and keeps it alive: mosquitto if it is installed, else amqtt.

It listens on loopback only, which is why it asks for no password.
"""

import asyncio
import logging
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aggregator.errors import OwnBrokerError
from runtime import backoff

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
MOSQUITTO = "mosquitto"
EMBEDDED = "amqtt (embedded, MQTT 3.1.1)"
ADMIN_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"  # an ordinary user's PATH lacks them
POLL_S = 0.05
START_POLLS = 300
STOP_TIMEOUT_S = 2.0

MOSQUITTO_CONFIG = """\
listener {port} {host}
allow_anonymous true
user root
persistence true
persistence_location {folder}/
autosave_interval 30
max_queued_messages 20000
set_tcp_nodelay true
max_packet_size 300000
memory_limit 268435456
log_dest stderr
log_type error
log_type warning
"""


class OwnBroker:
    """A broker as a child process.

    Args:
        kind: What it is, for people.
        arguments: How it is started.
        port: Where it then listens.
        private: A folder for what it says on stderr.
    """

    def __init__(self, kind: str, arguments: list[str], port: int, private: Path) -> None:
        self.kind = kind
        self._arguments = arguments
        self._port = port
        self._stderr = private / "stderr"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and return when it accepts connections.

        Raises:
            OwnBrokerError: It did not start.
        """
        with self._stderr.open("wb") as stderr:
            # A session of its own, so that Ctrl-C reaches us first; it still dies with us.
            self._process = await asyncio.create_subprocess_exec(
                *_dying_with_parent(),
                *self._arguments,
                stderr=stderr,
                stdout=asyncio.subprocess.DEVNULL,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                # It would tell systemd that we are ready when it is.
                env={k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"},
            )
        await self._listening(self._process)

    async def supervise(self) -> None:
        """Start it again whenever it ends."""
        waits = backoff.delays(0.2, 10.0)
        while True:
            if self._process is not None:
                await self._process.wait()
            wait_s = next(waits)
            log.error("own_broker_ended", extra={"kind": self.kind, "waiting_s": wait_s})
            await asyncio.sleep(wait_s)
            try:
                await self.start()
            except OwnBrokerError as error:
                log.warning("own_broker_not_restarted", extra={"why": str(error)})

    async def stop(self) -> None:
        """Terminate it; kill it when that does not help."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _listening(self, process: asyncio.subprocess.Process) -> None:
        for _ in range(START_POLLS):
            if process.returncode is not None or _answers(self._port):
                break
            await asyncio.sleep(POLL_S)
        else:
            process.kill()
            await process.wait()
        if process.returncode is not None:
            lines = self._stderr.read_text(errors="replace").splitlines()
            message = f"{self.kind} does not start: {lines[-1] if lines else 'no reason given'}"
            raise OwnBrokerError(message)


@asynccontextmanager
async def own_broker(
    port: int, directory: Path, mosquitto: str | None
) -> AsyncIterator[OwnBroker]:
    """Run a broker for the length of the block; its `supervise` keeps it alive.

    Args:
        port: Where it listens, on loopback.
        directory: Where it may keep what has to survive it.
        mosquitto: The path of that program; None for the embedded broker.

    Raises:
        OwnBrokerError: It did not start, or the port is taken.
    """
    _require_free(port)
    with tempfile.TemporaryDirectory(prefix="edgewarden-broker-") as name:
        private = Path(name)
        if mosquitto is None:
            embedded = [sys.executable, "-m", "aggregator.broker.embedded", HOST, str(port)]
            broker = OwnBroker(EMBEDDED, embedded, port, private)
        else:
            config = _mosquitto_config(port, directory / "broker", private)
            broker = OwnBroker(MOSQUITTO, [mosquitto, "-c", str(config)], port, private)
        try:
            await broker.start()
            log.info("own_broker_started", extra={"kind": broker.kind, "port": port})
            yield broker
        finally:
            await broker.stop()


def find_mosquitto() -> str | None:
    """Return the path of mosquitto, if it is installed."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:{ADMIN_FOLDERS}")


def _mosquitto_config(port: int, folder: Path, private: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = private / "mosquitto.conf"
    # `user root` matters only when we are root: it stays who we are, and can read our folder.
    text = MOSQUITTO_CONFIG.format(port=port, host=HOST, folder=folder.absolute())
    config.write_text(text)
    return config


def _dying_with_parent() -> list[str]:
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "TERM", "--"] if program else []


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(POLL_S)
        return probe.connect_ex((HOST, port)) == 0


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            message = (
                f"port {port} for a broker of our own: {error.strerror}; set"
                " EDGEWARDEN_BROKER__PORT to a free one, or EDGEWARDEN_BROKER__HOST to the"
                " broker that runs there"
            )
            raise OwnBrokerError(message) from error
