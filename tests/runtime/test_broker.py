import asyncio
import logging
import os
import signal
import subprocess
from pathlib import Path

import aiomqtt
import pytest

from runtime.broker import connect, expiring, publish_at_most_once
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


async def test_what_waits_for_too_long_is_dropped_by_the_broker(tmp_path):
    async with mosquitto(tmp_path) as port:
        async with connect(local(port), client_id="device") as client:
            await client.subscribe("orders", qos=1)
        async with connect(local(port), client_id="centre") as client:
            await client.publish("orders", b"late", qos=1, properties=expiring(1))
            await client.publish("orders", b"in time", qos=1, properties=expiring(60))
        await asyncio.sleep(2.2)  # mosquitto counts whole seconds
        async with connect(local(port), client_id="device") as client, asyncio.timeout(5):
            message = await anext(aiter(client.messages))
            assert message.payload == b"in time"


async def test_what_expires_goes_through_a_broker_of_3_1_1_too(tmp_path):
    async with amqtt(tmp_path) as port, connect(local(port), client_id="a") as client:
        await client.subscribe("orders", qos=1)
        await client.publish("orders", b"now", qos=1, properties=expiring(60))
        async with asyncio.timeout(5):
            assert (await anext(aiter(client.messages))).payload == b"now"


async def test_many_are_published_in_order_and_without_the_word_of_the_broker(tmp_path):
    async with mosquitto(tmp_path) as port, connect(local(port), client_id="a") as client:
        await client.subscribe("many", qos=1)
        await publish_at_most_once(client, [("many", b"%d" % number) for number in range(200)])
        async with asyncio.timeout(20):
            found = [await anext(client.messages) for _ in range(200)]
    assert [(int(message.payload), message.qos) for message in found] == [
        (number, 0) for number in range(200)
    ]


async def test_a_broker_that_is_lost_while_many_are_published_is_a_broker_error(tmp_path):
    async def publish(client: aiomqtt.Client) -> None:
        while True:
            await publish_at_most_once(client, [("many", b"x")] * 10)

    with pytest.raises(BrokerError):
        async with asyncio.timeout(20):
            await _listen_until_the_broker_dies(tmp_path, publish)


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


async def test_large_and_small_messages_arrive_whole_and_in_order_over_tls(certificates):
    settings = {
        "tls": True,
        "ca_file": certificates / "ca.crt",
        "cert_file": certificates / "pi-1.crt",
        "key_file": certificates / "pi-1.key",
    }
    told = [b"%d" % number * (30_000 if number % 3 else 1) for number in range(60)]
    async with (
        mosquitto(certificates, lines=mutual_tls(certificates)) as port,
        connect(local(port, **settings), client_id="pi-1") as client,
    ):
        await client.subscribe("many", qos=1)
        await publish_at_most_once(client, [("many", payload) for payload in told])
        async with asyncio.timeout(20):
            assert [(await anext(client.messages)).payload for _ in told] == told


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
