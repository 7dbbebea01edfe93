"""A running aggregator with users of every role, and what talks to it."""

import asyncio
import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from aggregator.api.passwords import Passwords
from aggregator.store.database import Database
from aggregator.store.organizations import add_organization
from aggregator.store.users import NewUser, Role, add_user
from contract import codec, topics
from contract.messages import AnyMessage, Receipt
from tests.aggregator.messages import BOOT, envelope, topic
from tests.aggregator.ssh import SshServer, ssh_server
from tests.brokers import free_port
from tests.model_bundles import trusting

PASSWORD = "correct-horse-7"
USERS: dict[str, tuple[str, Role]] = {
    "viewer": ("default", "viewer"),
    "analyst": ("default", "analyst"),
    "operator": ("default", "operator"),
    "admin": ("default", "admin"),
    "stranger": ("elsewhere", "admin"),
}
ACCESS_TOKEN_S = 2  # of an aggregator with brief ones
START_TIMEOUT_S = 60.0  # of a machine that does much else
TLS = ssl.create_default_context()  # unused, but each client would make its own, which takes 30 ms


class Centre:
    """An aggregator process with a broker of its own."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.port = free_port()
        self.broker_port = free_port()
        self.log = folder / "log"
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.more: dict[str, str] = {}
        self.settings: Path | None = None  # a file beside the environment
        self._tokens: dict[str, tuple[float, str]] = {}  # until when, and what

    def environment(self, **more: str) -> dict[str, str]:
        ours = {
            "EDGEWARDEN_STORE__PATH": str(self.data),
            "EDGEWARDEN_HTTP__PORT": str(self.port),
            "EDGEWARDEN_BROKER__PORT": str(self.broker_port),
            "EDGEWARDEN_ADMIN_PASSWORD": PASSWORD,
            "EDGEWARDEN_COMMANDS__WAIT_S": "1.5",
        }
        kept = {key: value for key, value in os.environ.items() if "EDGEWARDEN" not in key}
        return kept | ours | self.more | more

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, with the password on stdin."""
        return subprocess.run(
            [sys.executable, "-m", "aggregator", *arguments],
            env=self.environment(**more),
            input=PASSWORD + "\n",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def start(self, *, ready: int = httpx.codes.OK) -> None:
        """Start it, and wait until it is ready, or says with that status that it is not."""
        settings = ["--config", str(self.settings)] if self.settings else []
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "aggregator", "serve", *settings],
                env=self.environment(),
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz").status_code == ready:
                    return
            time.sleep(0.05)
        self.process.kill()
        self.process.wait()
        raise AssertionError(self.log.read_text())

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def token(self, username: str = "admin") -> str:
        until_s, token = self._tokens.get(username, (0.0, ""))
        if time.monotonic() > until_s:
            body = {"username": username, "password": PASSWORD}
            answer = httpx.post(f"{self.url}/api/v1/auth/login", json=body)
            assert answer.status_code == httpx.codes.OK, answer.text
            token = answer.json()["access_token"]
            until_s = time.monotonic() + answer.json()["expires_in"] / 2  # or it ends in a test
            self._tokens[username] = (until_s, token)
        return token

    @contextmanager
    def client(self, username: str | None = "admin") -> Iterator[httpx.Client]:
        headers = {"Authorization": f"Bearer {self.token(username)}"} if username else {}
        base_url = f"{self.url}/api/v1"
        with httpx.Client(base_url=base_url, headers=headers, verify=TLS) as client:
            yield client

    @asynccontextmanager
    async def async_client(self, username: str) -> AsyncIterator[httpx.AsyncClient]:
        token = await asyncio.to_thread(self.token, username)
        async with httpx.AsyncClient(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            verify=TLS,
            timeout=10,
        ) as client:
            yield client

    @asynccontextmanager
    async def watch(
        self, query: str = "", username: str = "admin"
    ) -> AsyncIterator[ClientConnection]:
        headers = {"Authorization": f"Bearer {self.token(username)}"}
        url = f"ws://127.0.0.1:{self.port}/api/v1/ws{query}"
        # However much was never read, it closes at once.
        async with connect(url, additional_headers=headers, max_queue=None) as socket:
            yield socket

    @asynccontextmanager
    async def device(
        self, device_id: str = "edge-1", organization: str = "default"
    ) -> AsyncIterator["Device"]:
        client = aiomqtt.Client("127.0.0.1", self.broker_port, identifier=device_id)
        async with client:
            await client.subscribe(topics.receipts_topic(organization, device_id), qos=1)
            yield Device(client, device_id, organization)

    def told(self, device_id: str, *messages: AnyMessage) -> None:
        """Let a device tell messages, and return when they are stored."""

        async def tell() -> None:
            async with self.device(device_id) as device:
                for message in messages:
                    await device.tell(message)

        asyncio.run(tell())


class Device:
    """A device on the real broker, which numbers what it tells."""

    def __init__(self, client: aiomqtt.Client, device_id: str, organization: str) -> None:
        self.client = client
        self.device_id = device_id
        self.organization = organization
        self.seq = 0

    async def tell(self, message: AnyMessage, *, boot: str = BOOT) -> None:
        """Publish a message and wait until it is receipted."""
        self.seq += 1
        await self.publish(message, self.seq, boot=boot)
        async for received in self.client.messages:
            receipt = codec.decode_receipt(received.payload)
            if receipt == Receipt(boot=boot, upto=self.seq):
                return

    async def publish(
        self, message: AnyMessage, seq: int, *, floor: int = 1, boot: str = BOOT
    ) -> None:
        payload = envelope(message, seq, floor=floor, boot=boot)
        where = topic(message, self.device_id, self.organization)
        await self.client.publish(where, payload, qos=1)


@pytest.fixture(scope="session")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """One aggregator for all tests that leave each other's devices and alerts alone."""
    centre = Centre(tmp_path_factory.mktemp("centre"))
    centre.more["EDGEWARDEN_AUTH__REGISTRATION"] = "invite"
    centre.more["EDGEWARDEN_HTTP__PERSON_REQUESTS_PER_S"] = "100000"  # all tests are a few people
    centre.more["EDGEWARDEN_NOTIFICATIONS__ALLOW_PRIVATE"] = "true"  # receivers are on loopback
    centre.more["EDGEWARDEN_NOTIFICATIONS__ALLOW_PLAIN"] = "true"
    centre.more["EDGEWARDEN_MODELS__TRUSTED_KEYS"] = str(trusting(centre.data.parent / "makers"))
    asyncio.run(_add_users(centre.data))
    centre.start()
    yield centre
    assert centre.stop() == 0, centre.log.read_text()
    assert "Traceback" not in centre.log.read_text(), centre.log.read_text()


@pytest.fixture
def brief(tmp_path: Path) -> Iterator[Centre]:
    """An aggregator whose access tokens are soon over."""
    brief = Centre(tmp_path)
    brief.more["EDGEWARDEN_AUTH__ACCESS_TOKEN_S"] = str(ACCESS_TOKEN_S)
    brief.start()
    yield brief
    assert brief.stop() == 0


async def _add_users(data: Path) -> None:
    password_hash = await Passwords().hash(PASSWORD)
    async with Database(data) as database:
        await database.write(add_organization("elsewhere", "Elsewhere", 1))
        for username, (organization, role) in USERS.items():
            new = NewUser(
                organization=organization,
                username=username,
                email=f"{username}@example.net",
                password_hash=password_hash,
                role=role,
            )
            assert await add_user(database, new, 1) is not None


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(tmp_path) as database:
        yield database


async def close_code_of(socket: ClientConnection) -> int:
    """Return the code with which a socket is closed.

    What nobody reads would hold up the closing: a client with 16 unread messages stops reading.
    """
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()
    assert socket.close_code is not None
    return socket.close_code


async def next_event(
    socket: ClientConnection, kind: str, device_id: str | None = None
) -> dict[str, Any]:
    """Return the next event of a type, of a device or of whichever."""
    async for text in socket:
        event = json.loads(text)
        if event["type"] == kind and device_id in {None, event.get("device_id")}:
            return dict(event)
    pytest.fail(f"the feed ended without {kind}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    with ssh_server(tmp_path / "ssh") as server:
        yield server


@pytest.fixture
def manager(centre: Centre) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {centre.token()}"}
    with httpx.Client(base_url=f"{centre.url}/api", headers=headers, timeout=30) as client:
        yield client
