"""The program: started, killed, stopped, and told wrong settings."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import httpx
import pytest

from contract import codec
from contract.messages import Health
from tests.aggregator.conftest import PASSWORD, Centre
from tests.aggregator.messages import BOOT, health
from tests.brokers import mosquitto

MESSAGES = 1500
KILLS = 3


class Outbox:
    """A device that keeps what is not receipted and sends it again, as the agent's spool does."""

    def __init__(self, messages: list[Health]) -> None:
        self.messages = messages
        self.stored = 0

    async def run(self, centre: Centre) -> None:
        async with centre.device("spooling") as device, asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(self._hear(device.client.messages))
            while self.stored < len(self.messages):
                before = self.stored
                for seq in range(before + 1, min(before + 100, len(self.messages)) + 1):
                    await device.publish(self.messages[seq - 1], seq, floor=before + 1)
                await self._wait(before)
            hearing.cancel()

    async def _hear(self, messages: object) -> None:
        async for received in messages:  # type: ignore[attr-defined]
            receipt = codec.decode_receipt(received.payload)
            assert receipt.boot == BOOT
            self.stored = max(self.stored, receipt.upto)

    async def _wait(self, before: int) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while self.stored < min(before + 100, len(self.messages)):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_killed_in_the_middle_it_neither_loses_nor_doubles(tmp_path: Path):
    centre = Centre(tmp_path)
    outbox = Outbox([health(frames=number) for number in range(MESSAGES)])
    async with mosquitto(tmp_path, centre.broker_port):
        centre.more["EDGEWARDEN_BROKER__HOST"] = "127.0.0.1"
        await asyncio.to_thread(centre.start)
        async with asyncio.timeout(150), asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(outbox.run(centre))
            for kill in range(1, KILLS + 1):
                while outbox.stored < kill * MESSAGES // (KILLS + 2):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
                centre.stop(signal.SIGKILL)
                await asyncio.to_thread(centre.start)
            await sending
        assert await asyncio.to_thread(centre.stop) == 0
    with duckdb.connect(str(centre.data / "edgewarden.duckdb"), read_only=True) as stored:
        frames = stored.sql("SELECT frames FROM health ORDER BY frames").fetchall()
        assert [row[0] for row in frames] == list(range(MESSAGES))
        assert stored.sql("SELECT last_seq, lost FROM store.watermarks").fetchall() == [
            (MESSAGES, 0)
        ]


async def test_sigterm_ends_it_within_five_seconds_though_somebody_watches(tmp_path: Path):
    centre = Centre(tmp_path)
    await asyncio.to_thread(centre.start)
    async with centre.watch() as socket:
        before = time.monotonic()
        assert await asyncio.to_thread(centre.stop) == 0
        assert time.monotonic() - before < 5
        async with asyncio.timeout(5):
            await socket.wait_closed()
    with contextlib.closing(_connection()) as probe:
        assert probe.connect_ex(("127.0.0.1", centre.broker_port)) != 0


def _connection() -> socket.socket:
    return socket.socket()


def test_its_broker_dies_with_it_even_when_it_is_killed(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.start()
    centre.stop(signal.SIGKILL)
    deadline = time.monotonic() + 5
    with contextlib.closing(_connection()) as probe:
        while probe.connect_ex(("127.0.0.1", centre.broker_port)) == 0:
            assert time.monotonic() < deadline
    centre.start()
    assert centre.stop() == 0


def test_systemd_is_told_that_it_is_ready_and_well_and_that_it_ends(tmp_path: Path):
    centre = Centre(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        centre.more |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        centre.start()
        said = [manager.recv(100).decode() for _ in range(4)]
        assert sorted(said) == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]
        assert centre.stop() == 0
        manager.settimeout(0.5)
        while said[-1] != "STOPPING=1":
            said.append(manager.recv(100).decode())


def test_a_password_is_made_up_and_told_once_where_none_is_given(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.more["EDGEWARDEN_ADMIN_PASSWORD"] = ""
    for _ in range(2):
        centre.start()
        assert centre.stop() == 0
    told = [line for line in centre.log.read_text().splitlines() if "first start" in line]
    assert len(told) == 1
    password = told[0].partition("the password ")[2].split()[0]
    centre.start()
    body = {"username": "admin", "password": password}
    answer = httpx.post(f"{centre.url}/api/v1/auth/login", json=body)
    assert centre.stop() == 0
    assert answer.status_code == 200


def test_a_weak_password_of_the_first_admin_is_told(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.more["EDGEWARDEN_ADMIN_PASSWORD"] = "admin123"
    centre.start()
    assert centre.stop() == 0
    assert "hardly more than the user's name; change it soon" in centre.log.read_text()


def test_users_are_made_while_it_is_stopped(tmp_path: Path):
    centre = Centre(tmp_path)
    made = centre.run("create-user", "ada", "--role", "analyst")
    assert (made.returncode, made.stderr) == (0, "")
    again = centre.run("create-user", "ADA")
    assert (again.returncode, again.stderr) == (
        2,
        "edgewarden-aggregator: there is a user ADA already\n",
    )


def test_a_forgotten_password_is_replaced_while_it_is_stopped(tmp_path: Path):
    centre = Centre(tmp_path)
    assert centre.run("create-user", "ada", "--role", "analyst").returncode == 0
    centre.start()
    body = {"username": "ada", "password": PASSWORD}
    url = f"{centre.url}/api/v1/auth"
    signed_in = httpx.post(f"{url}/login", json=body).json()
    assert centre.stop() == 0
    done = subprocess.run(
        [sys.executable, "-m", "aggregator", "reset-password", "ada"],
        env=centre.environment(),
        input="another-horse-8\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    nobody = centre.run("reset-password", "eve")
    assert (nobody.returncode, nobody.stderr) == (
        2,
        "edgewarden-aggregator: there is no user eve\n",
    )
    centre.start()
    headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
    old = [httpx.get(f"{url}/me", headers=headers), httpx.post(f"{url}/login", json=body)]
    new = httpx.post(f"{url}/login", json=body | {"password": "another-horse-8"})
    assert centre.stop() == 0
    assert [answer.status_code for answer in old] == [401, 401]
    assert new.status_code == 200


def test_a_short_password_makes_no_user(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "aggregator", "create-user", "ada"],
        env=Centre(tmp_path).environment(),
        input="short\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "8 to 256 characters" in done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"EDGEWARDEN_HTTP__PROT": "1"}, "prot"),
        ({"EDGEWARDEN_HTTP__PORT": "99999"}, "$.http.port"),
        ({"EDGEWARDEN_STORE__PATH": "/dev/null/x"}, "/dev/null/x"),
        ({"EDGEWARDEN_HTTP__HOST": "203.0.113.9"}, "EDGEWARDEN_HTTP__HOST"),
        (
            {"EDGEWARDEN_BROKER__HOST": "127.0.0.1", "EDGEWARDEN_BROKER__PASSWORD_FILE": "/nix"},
            "password file",
        ),
    ],
)
def test_a_wrong_setting_is_told_in_one_line(tmp_path: Path, settings: dict[str, str], said: str):
    done = Centre(tmp_path).run("serve", **settings)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert done.returncode in {1, 2}
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("edgewarden-aggregator: ")
    assert said in lines[0]


def test_a_second_aggregator_on_the_same_data_is_told_so(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.start()
    other = Centre(tmp_path)
    done = other.run("serve")
    assert centre.stop() == 0
    assert done.returncode == 2
    assert "lock" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_shows_the_settings_and_help_shows_examples(tmp_path: Path):
    file = tmp_path / "aggregator.toml"
    file.write_text('[http]\nport = 8123\n[auth]\norganization = "home"\n')
    centre = Centre(tmp_path)
    shown = subprocess.run(
        [sys.executable, "-m", "aggregator", "check", "--config", str(file)],
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in centre.environment().items() if "HTTP" not in k},
    )
    assert '"port": 8123' in shown.stdout
    assert '"organization": "home"' in shown.stdout
    assert PASSWORD not in shown.stdout
    helped = centre.run("--help")
    assert helped.returncode == 0
    assert "EDGEWARDEN_ADMIN_PASSWORD" in helped.stdout
