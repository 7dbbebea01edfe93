"""From a code to the first message: centre, mosquitto with passwords, the agent's own program."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import aiomqtt
import pytest

from tests.aggregator.conftest import Centre
from tests.aggregator.messages import envelope, presence
from tests.brokers import mosquitto
from tests.e2e.box import DEMO
from tests.firmware.mosquitto import authority_for

ONLINE = envelope(presence(), 1)
OURS = "only-for-this-test"

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]


def enroll(code: str, url: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent", "enroll", "--url", url, "--folder", str(folder)]
    return subprocess.run(
        [*command, *more],
        input=code + "\n",
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """Not started; it signs in at a mosquitto whose files it keeps."""
    centre = Centre(tmp_path)
    files = tmp_path / "mosquitto"
    files.mkdir()
    (tmp_path / "password").write_text(OURS)
    (tmp_path / "password").chmod(0o600)
    centre.more |= {
        "EDGEWARDEN_BROKER__HOST": "127.0.0.1",
        "EDGEWARDEN_BROKER__USERNAME": "aggregator",
        "EDGEWARDEN_BROKER__PASSWORD_FILE": str(tmp_path / "password"),
        "EDGEWARDEN_ENROLMENT__BROKER_FILES": str(files),
        "EDGEWARDEN_ENROLMENT__BROKER_PORT": str(centre.broker_port),
        "EDGEWARDEN_ENROLMENT__BROKER_TLS": "false",
        "EDGEWARDEN_ENROLMENT__PENDING": "true",
    }
    yield centre
    if centre.process is not None:
        assert centre.stop() == 0


async def until(done: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(done):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def refused(port: int, username: str, password: str) -> bool:
    try:
        async with aiomqtt.Client("127.0.0.1", port, username=username, password=password):
            return False
    except aiomqtt.MqttError:
        return True


async def test_an_agent_enrols_is_accepted_and_its_messages_arrive(tmp_path: Path, centre: Centre):
    files, keys = tmp_path / "mosquitto", tmp_path / "keys"
    # The files are there before mosquitto is: it refuses to start without them.
    first = Centre(tmp_path)
    first.more = centre.more | {"EDGEWARDEN_BROKER__HOST": ""}
    await asyncio.to_thread(first.start)
    assert first.stop() == 0
    lines = [
        "allow_anonymous false",
        f"password_file {files}/edgewarden.passwd",
        f"acl_file {files}/edgewarden.acl",
    ]
    lines += ["user root"] if os.geteuid() == 0 else []
    async with mosquitto(tmp_path, centre.broker_port, lines):
        broker_id = int((tmp_path / "mosquitto.pid").read_text())
        await asyncio.to_thread(centre.start)
        with centre.client() as admin:
            code = admin.post("/enrollments", json={"device_id": "attic"}).json()["code"]
            told = await asyncio.to_thread(enroll, code, centre.url, keys)
            assert told.returncode == 0, told.stderr
            assert "pending" in told.stderr
            settings = tomllib.loads(told.stdout)
            assert settings["centre"] == {
                "url": centre.url,
                "api_key_file": str(keys / "api.key"),
            }
            password = (keys / "password").read_text().strip()
            assert password not in told.stdout + told.stderr + centre.log.read_text()
            assert {file.stat().st_mode & 0o777 for file in keys.iterdir()} == {0o600}
            login = (centre.broker_port, "default.attic", password)
            assert settings["broker"]["username"] == login[1]
            assert await refused(*login)

            admin.post("/devices/attic/accept").raise_for_status()
            await until(lambda: "default.attic:" in (files / "edgewarden.passwd").read_text())
            os.kill(broker_id, signal.SIGHUP)  # as the path unit of the docs does
            config = tmp_path / "agent.toml"
            config.write_text(f'{told.stdout}\n[spool]\npath = "{tmp_path}/spool.sqlite"\n')
            program = [sys.executable, "-m", "agent", "run", "--config", str(config)]
            agent = subprocess.Popen([*program, "--replay", str(DEMO), "--speed", "10"])  # noqa: ASYNC220
            try:
                await until(lambda: admin.get("/devices/attic").json()["version"] is not None)
                await until(lambda: admin.get("/verdicts?limit=1").json() != [])
                assert admin.get("/devices/attic").json()["status"] != "offline"
            finally:
                agent.terminate()
                agent.wait(timeout=20)
            await speak_for_another(login)
            assert admin.get("/devices/cellar").status_code == 404

            admin.delete("/devices/attic").raise_for_status()
            await until(lambda: "attic" not in (files / "edgewarden.passwd").read_text())
            os.kill(broker_id, signal.SIGHUP)
            assert await refused(*login)


async def speak_for_another(login: tuple[int, str, str]) -> None:
    port, username, password = login
    async with aiomqtt.Client("127.0.0.1", port, username=username, password=password) as client:
        await client.publish("edgewarden/v1/default/cellar/presence", ONLINE, qos=1)
    await asyncio.sleep(1.0)  # what would come would have come


@pytest.fixture
def refusing(tmp_path: Path) -> Iterator[Centre]:
    centre = Centre(tmp_path)
    centre.start()
    yield centre
    assert centre.stop() == 0


def test_a_wrong_code_is_one_line_and_leaves_no_file(tmp_path: Path, refusing: Centre):
    file = tmp_path / "code"
    file.write_text("WRONG\n")
    told = enroll(
        "", refusing.url, tmp_path / "keys", "--code-file", str(file), "--device-id", "x"
    )
    assert told.returncode == 2
    assert "the code is wrong" in told.stderr
    assert told.stderr.count("\n") == 1
    assert list((tmp_path / "keys").iterdir()) == []


def test_a_code_is_not_sent_where_others_could_read_it(tmp_path: Path):
    told = enroll("CODE", "http://192.0.2.1", tmp_path / "keys")
    assert told.returncode == 2
    assert "use https" in told.stderr


def test_a_folder_that_cannot_be_made_is_told_with_what_helps(tmp_path: Path):
    (tmp_path / "file").write_text("")
    told = enroll("CODE", "https://127.0.0.1:1", tmp_path / "file" / "keys")
    assert told.returncode == 2
    assert told.stderr.endswith("Not a directory; run this with sudo, or give another --folder\n")


def test_whose_certificate_nobody_vouches_for_is_told_with_what_helps(tmp_path: Path):
    broker = authority_for(tmp_path / "ca") / "broker"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(broker / "broker.crt", broker / "broker.key")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def greet() -> None:
            with suppress(OSError), context.wrap_socket(listening, server_side=True) as greeting:
                greeting.accept()

        greeter = Thread(target=greet)
        greeter.start()
        told = enroll("CODE", f"https://127.0.0.1:{port}", tmp_path / "keys")
        greeter.join()
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert "name its authority's file: --ca-file" in told.stderr


@pytest.mark.parametrize("url", ["centre.lan", "ftp://centre.lan", "https://centre.lan:99999"])
def test_what_is_no_address_is_named(tmp_path: Path, url: str):
    told = enroll("CODE", url, tmp_path / "keys")
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert "is no address" in told.stderr


def test_a_code_is_no_argument_that_others_on_the_box_could_see(tmp_path: Path):
    told = enroll("", "https://127.0.0.1", tmp_path / "keys", "--code", "SECRET")
    assert told.returncode == 2
    assert "unrecognized arguments: --code" in told.stderr
