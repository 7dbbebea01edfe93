"""A real mosquitto with the broker configuration of firmware_configs, and clients of it."""

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiomqtt

from tests.tools import require

FIRMWARE = Path(__file__).parents[2] / "firmware_configs"
MOSQUITTO = FIRMWARE / "mosquitto"


def issue(authority: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    require("openssl", package="openssl")
    return subprocess.run(
        [FIRMWARE / "tls" / "issue.sh", authority, *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def authority_for(folder: Path, *devices: str) -> Path:
    """Make an authority with certificates for a local broker, the aggregator and devices."""
    for arguments in (
        ("ca",),
        ("broker", "localhost", "127.0.0.1"),
        ("aggregator",),
        *(("device", device) for device in devices),
    ):
        issued = issue(folder, *arguments)
        assert issued.returncode == 0, issued.stderr
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int, broker: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert broker.poll() is None, log.read_text()
    raise AssertionError(log.read_text())


@contextlib.contextmanager
def running(configuration: Path, port: int) -> Iterator[Path]:
    """Run mosquitto until the block ends; yields its log."""
    program = require("mosquitto", package="mosquitto")
    log = configuration.with_suffix(".log")
    with log.open("wb") as sink:
        broker = subprocess.Popen([program, "-c", configuration], stdout=sink, stderr=sink)
        try:
            await_port(port, broker, log)
            yield log
        finally:
            broker.terminate()
            broker.wait(timeout=10)


def install(folder: Path, authority: Path, port: int) -> Path:
    """Lay out a machine's /etc/mosquitto as Debian and provision.sh do; return its main file."""
    certificates, drop_ins, data = folder / "tls", folder / "conf.d", folder / "data"
    for made in (certificates, drop_ins, data):
        made.mkdir(parents=True)
    for name in ("ca.crt", "crl.pem", "broker/broker.crt", "broker/broker.key"):
        shutil.copy(authority / name, certificates)
    shutil.copy(MOSQUITTO / "edgewarden.acl", folder)
    ours = (MOSQUITTO / "edgewarden.conf").read_text()
    ours = ours.replace("/etc/edgewarden/tls/", f"{certificates}/")
    ours = ours.replace("/etc/edgewarden/mosquitto/", f"{folder}/")
    ours = ours.replace("listener 8883", f"listener {port} 127.0.0.1")
    (drop_ins / "edgewarden.conf").write_text(ours)
    main = folder / "mosquitto.conf"
    account = "user root\n" if os.geteuid() == 0 else ""
    main.write_text(
        f"{account}persistence true\npersistence_location {data}/\n"
        f"log_dest stderr\ninclude_dir {drop_ins}\n"
    )
    return main


@dataclass(frozen=True)
class SecureBroker:
    """A running broker and the authority whose certificates it knows."""

    port: int
    authority: Path

    def client(
        self, name: str, identifier: str | None = None, will: aiomqtt.Will | None = None
    ) -> aiomqtt.Client:
        """A client with the certificate of `name`, by default with that client id as well."""
        return aiomqtt.Client(
            "127.0.0.1",
            self.port,
            identifier=identifier or name,
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=self.context(name),
            will=will,
            timeout=5,
        )

    def context(self, name: str | None) -> ssl.SSLContext:
        """Trust in the authority, and the certificate of `name` if there is one to show."""
        context = ssl.create_default_context(cafile=self.authority / "ca.crt")
        if name is not None:
            own = self.authority / name
            context.load_cert_chain(own / "client.crt", own / "client.key")
        return context

    def refusal(self, name: str | None) -> str:
        """Connect where refusal is expected; return the broker's reason for it."""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain,
            self.context(name).wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            try:
                answer = secure.recv(1)  # TLS 1.3 tells a client of its refusal only here
            except ssl.SSLError as error:
                return str(error.reason)
        message = f"not refused: {answer!r}"
        raise AssertionError(message)


async def heard(client: aiomqtt.Client, until: str) -> list[str]:
    """Collect the topics that reach a client, up to and including `until`."""
    topics: list[str] = []
    async with asyncio.timeout(10):
        async for message in client.messages:
            topics.append(str(message.topic))
            if topics[-1] == until:
                return topics
    raise AssertionError(topics)
