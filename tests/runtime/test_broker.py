import asyncio
import logging
import os
import signal
import subprocess
from pathlib import Path

import aiomqtt
import pytest

from runtime.broker import connect, gather
from runtime.config import BrokerConfig
from runtime.errors import BrokerError, ConfigError
from tests.brokers import amqtt, free_port, mosquitto
from tests.tools import require

pytestmark = pytest.mark.broker


def local(port: int, **settings) -> BrokerConfig:
    return BrokerConfig(host="127.0.0.1", port=port, **settings)


async def say_and_hear(client: aiomqtt.Client) -> bytes:
    await client.subscribe("echo", qos=1)
    await client.publish("echo", b"hello", qos=1)
    async with asyncio.timeout(5):
        async for message in client.messages:
            return bytes(message.payload)
    raise AssertionError


async def test_messages_travel_over_mqtt_5(tmp_path):
    async with mosquitto(tmp_path) as port, connect(local(port), client_id="a") as client:
        assert await say_and_hear(client) == b"hello"


async def test_a_broker_that_refuses_mqtt_5_is_spoken_to_in_3_1_1(tmp_path):
    async with amqtt(tmp_path) as port, connect(local(port), client_id="a") as client:
        assert await say_and_hear(client) == b"hello"


async def test_the_session_outlives_the_connection(tmp_path):
    async with mosquitto(tmp_path) as port:
        async with connect(local(port), client_id="device") as client:
            await client.subscribe("orders", qos=1)
        async with connect(local(port), client_id="centre") as client:
            await client.publish("orders", b"while you were away", qos=1)
        async with connect(local(port), client_id="device") as client, asyncio.timeout(5):
            message = await anext(aiter(client.messages))
            assert message.payload == b"while you were away"


def never(_message: aiomqtt.Message) -> bool:
    return False


def when_told(message: aiomqtt.Message) -> bool:
    return message.payload == b"urgent"


async def gathered_beside(client: aiomqtt.Client, text: bytes) -> tuple[list[bytes], float]:
    """Gather for half a second or two; something comes at once and after one second."""
    now_s = asyncio.get_running_loop().time
    begun_s = now_s()

    async def tell() -> None:
        await client.publish("many", text, qos=1)
        await asyncio.sleep(1.0)
        await client.publish("many", b"later", qos=1)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tell())
        moments = [begun_s + 0.5, begun_s + 2.0]
        found = await gather(client, most=9, most_bytes=999, until_s=moments, is_urgent=when_told)
        taken_s = now_s() - begun_s
    return [bytes(message.payload) for message in found], taken_s


@pytest.mark.slow
async def test_more_is_waited_for_only_while_nothing_urgent_has_come(tmp_path):
    async with mosquitto(tmp_path) as port, connect(local(port), client_id="a") as client:
        await client.subscribe("many", qos=1)
        found, taken_s = await gathered_beside(client, b"urgent")
        assert (found, taken_s < 1.0) == ([b"urgent"], True)
        assert (await anext(client.messages)).payload == b"later"
        found, taken_s = await gathered_beside(client, b"calm")
        assert found == [b"calm", b"later"]
        assert taken_s == pytest.approx(2.0, abs=0.5)


async def test_messages_are_gathered_in_order_and_in_bounds(tmp_path):
    async with mosquitto(tmp_path) as port, connect(local(port), client_id="a") as client:
        await client.subscribe("many", qos=1)
        for number in range(7):
            await client.publish("many", b"%d" % number * 100, qos=1)
        found = []
        async with asyncio.timeout(20):
            while len(client.messages) < 7:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            for most, most_bytes in ((2, 10_000), (10, 150), (10, 10_000)):
                messages = await gather(
                    client, most=most, most_bytes=most_bytes, until_s=[0.0], is_urgent=never
                )
                found.append([int(message.payload[:1]) for message in messages])
    assert found == [[0, 1], [2, 3], [4, 5, 6]]


async def test_a_broker_that_is_lost_while_messages_gather_is_a_broker_error(tmp_path):
    async def listen(client: aiomqtt.Client) -> None:
        while True:
            await gather(client, most=10, most_bytes=1000, until_s=[0.0], is_urgent=never)

    with pytest.raises(BrokerError):
        async with asyncio.timeout(20):
            await _listen_until_the_broker_dies(tmp_path, listen)


async def test_an_absent_broker_is_a_broker_error():
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1"):
        async with connect(local(free_port()), client_id="a"):
            pass


async def test_a_lost_broker_is_a_broker_error_even_through_a_task_group(tmp_path):
    async def listen(client: aiomqtt.Client) -> None:
        async for _ in client.messages:
            pass

    with pytest.raises(BrokerError):
        async with asyncio.timeout(20):
            await _listen_until_the_broker_dies(tmp_path, listen)


async def _listen_until_the_broker_dies(tmp_path, listen):
    broker = mosquitto(tmp_path)
    port = await broker.__aenter__()
    async with connect(local(port), client_id="a") as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(listen(client))
        await broker.__aexit__(None, None, None)


async def test_other_errors_of_a_task_group_pass_unchanged(tmp_path):
    async def fail() -> None:
        raise ZeroDivisionError

    async with mosquitto(tmp_path) as port:
        with pytest.raises(ExceptionGroup) as caught:
            async with connect(local(port), client_id="a"), asyncio.TaskGroup() as tasks:
                tasks.create_task(fail())
    assert caught.group_contains(ZeroDivisionError)


async def test_without_a_host_there_is_one_clear_line():
    with pytest.raises(ConfigError, match="set `host` in `\\[broker\\]`"):
        async with connect(BrokerConfig(), client_id="a"):
            pass


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    maker = require("mosquitto_passwd", package="mosquitto")
    path = tmp_path / "passwords"
    subprocess.run([maker, "-b", "-c", path, "pi-1", "s3cret"], check=True)
    return path


async def test_a_password_is_read_from_its_file(tmp_path, caplog, passwords):
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    secret.chmod(0o600)
    rules = ("allow_anonymous false", f"password_file {passwords}", "user root")
    async with mosquitto(tmp_path, lines=rules) as port:
        config = local(port, username="pi-1", password_file=secret)
        async with connect(config, client_id="pi-1"):
            pass
        assert caplog.records == []
        with pytest.raises(BrokerError, match=r"[Nn]ot authori"):
            async with connect(local(port), client_id="pi-1"):
                pass


async def test_a_secret_that_others_can_read_is_told_once(tmp_path, caplog):
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    secret.chmod(0o644)
    async with mosquitto(tmp_path) as port:
        for _ in range(2):
            async with connect(local(port, username="a", password_file=secret), client_id="a"):
                pass
    events = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert events == ["secret_readable_by_others"]


@pytest.mark.parametrize(
    "settings",
    [
        {"password_file": Path("/nonexistent/password")},
        {"tls": True, "ca_file": Path("/nonexistent/ca.crt")},
        {"tls": True, "cert_file": Path("/nonexistent/device.crt")},
    ],
)
async def test_a_missing_file_is_a_wrong_setting_not_a_lost_broker(settings):
    with pytest.raises(ConfigError, match=r"/nonexistent/|No such file"):
        async with connect(local(1, **settings), client_id="a"):
            pass


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """An authority with a certificate for the broker and one for a device."""
    openssl = require("openssl", package="openssl")

    def run(*words: str) -> None:
        subprocess.run([openssl, *words], check=True, cwd=tmp_path, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    may_sign = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")  # Python 3.13 insists
    run(*new, "-x509", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=authority", *may_sign)
    for name in ("localhost", "pi-1"):
        run(*new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        names = f"subjectAltName=DNS:{name},IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n"
        (tmp_path / "names").write_text(names)
        signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
        run("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signed)
    return tmp_path


def mutual_tls(folder: Path) -> tuple[str, ...]:
    return (
        f"cafile {folder}/ca.crt",
        f"certfile {folder}/localhost.crt",
        f"keyfile {folder}/localhost.key",
        "require_certificate true",
        "use_identity_as_username true",
        "user root",
    )


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
async def test_tls_needs_the_authority_and_our_certificate(certificates):
    device = {"cert_file": certificates / "pi-1.crt", "key_file": certificates / "pi-1.key"}
    authority = {"tls": True, "ca_file": certificates / "ca.crt"}
    async with mosquitto(certificates, lines=mutual_tls(certificates)) as port:
        async with connect(local(port, **authority, **device), client_id="pi-1") as client:
            assert await say_and_hear(client) == b"hello"
        with pytest.raises(
            BrokerError, match="certificate verify failed"
        ):  # the system's authorities do not know this broker
            async with connect(local(port, tls=True, **device), client_id="pi-1"):
                pass


async def test_a_cancelled_block_ends_as_cancelled_although_the_broker_is_frozen(tmp_path):
    async def hold(port: int) -> None:
        async with connect(local(port), client_id="a"):
            frozen.set()
            await asyncio.sleep(60)

    frozen = asyncio.Event()
    async with mosquitto(tmp_path) as port, asyncio.TaskGroup() as tasks:
        task = tasks.create_task(hold(port))
        await frozen.wait()
        pid = int((tmp_path / "mosquitto.pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        task.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait([task])
    assert task.cancelled()


async def test_a_cancellation_that_comes_with_the_answer_is_not_forgotten(tmp_path):
    async with mosquitto(tmp_path) as port, connect(local(port), client_id="a") as client:
        answer: asyncio.Future[None] = asyncio.Future()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(client._wait_for(answer, 5.0))
            await asyncio.sleep(0)
            answer.set_result(None)
            task.cancel()
    assert task.cancelled()
