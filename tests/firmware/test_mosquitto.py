"""The broker's configuration, on a real mosquitto: each device speaks for itself only."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from contract import topics
from tests.firmware.mosquitto import (
    MOSQUITTO,
    SecureBroker,
    authority_for,
    free_port,
    heard,
    install,
    issue,
    running,
)

pytestmark = pytest.mark.broker

OWN = "edgewarden/v1/default/pi-1"
FOREIGN = "edgewarden/v1/default/pi-2"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    folder = tmp_path_factory.mktemp("broker")
    authority = authority_for(folder / "authority", "pi-1", "pi-2")
    port = free_port()
    with running(install(folder / "etc", authority, port), port):
        yield SecureBroker(port, authority)


async def what_the_aggregator_hears(
    broker: SecureBroker, device: str, tried: list[str], last: str
) -> list[str]:
    """Let a device publish on topics, then on one that is allowed; say what came through."""
    async with broker.client("aggregator") as centre, broker.client(device) as sender:
        await centre.subscribe("edgewarden/v1/#", qos=1)
        for topic in [*tried, last]:
            await sender.publish(topic, b"x", qos=1)
        return await heard(centre, until=last)


async def test_a_device_may_say_everything_the_contract_lets_it_say(broker: SecureBroker):
    tried = [f"{OWN}/{leaf}" for leaf in topics.LEAVES.values()]
    last = f"{OWN}/health"
    tried.remove(last)
    assert await what_the_aggregator_hears(broker, "pi-1", tried, last) == [*tried, last]


async def test_a_device_cannot_speak_for_another(broker: SecureBroker):
    tried = [f"{FOREIGN}/{leaf}" for leaf in topics.LEAVES.values()]
    last = f"{OWN}/health"
    assert await what_the_aggregator_hears(broker, "pi-1", tried, last) == [last]


@pytest.mark.parametrize(
    "topic",
    [
        "edgewarden/v1/elsewhere/pi-1/health",  # another organization
        f"{OWN}/commands",  # commands come from the centre
        f"{OWN}/receipts",
        f"{OWN}/health/more",
        "edgewarden/v2/default/pi-1/health",
        "homeassistant/config",
    ],
)
async def test_a_device_cannot_leave_its_own_topics(broker: SecureBroker, topic: str):
    last = f"{OWN}/health"
    async with broker.client("aggregator") as centre, broker.client("pi-1") as device:
        await centre.subscribe("#", qos=1)
        await device.publish(topic, b"x", qos=1)
        await device.publish(last, b"x", qos=1)
        assert await heard(centre, until=last) == [last]


@pytest.mark.parametrize("leaf", ["commands", "receipts"])
async def test_a_device_hears_what_is_meant_for_it_and_nothing_else(
    broker: SecureBroker, leaf: str
):
    mine = f"{OWN}/{leaf}"
    async with broker.client("aggregator") as centre, broker.client("pi-1") as device:
        for wish in ("#", f"{FOREIGN}/#", "edgewarden/v1/+/+/commands", mine):
            await device.subscribe(wish, qos=1)
        await centre.publish(f"{FOREIGN}/{leaf}", b"not yours", qos=1)
        await centre.publish(mine, b"yours", qos=1)
        assert set(await heard(device, until=mine)) == {mine}


async def test_the_aggregator_cannot_pose_as_a_device(broker: SecureBroker):
    last = "edgewarden/v1/default/pi-1/health"
    async with broker.client("aggregator") as centre, broker.client("pi-1") as device:
        await centre.subscribe("edgewarden/v1/#", qos=1)
        await centre.publish(f"{OWN}/alerts", b"x", qos=1)
        await device.publish(last, b"x", qos=1)
        assert await heard(centre, until=last) == [last]


async def test_the_last_will_of_a_device_is_delivered_when_it_dies(broker: SecureBroker):
    presence = f"{OWN}/presence"
    dying = broker.client("pi-1", will=aiomqtt.Will(presence, b"offline", qos=1))
    async with broker.client("aggregator") as centre:
        await centre.subscribe("edgewarden/v1/#", qos=1)
        async with dying:
            connection = dying._client.socket()
            assert isinstance(connection, socket.socket)
            connection.shutdown(socket.SHUT_RDWR)
            with pytest.raises(aiomqtt.MqttError):
                await heard(dying, until="nothing")
        assert await heard(centre, until=presence) == [presence]


async def test_a_device_that_borrows_anothers_client_id_does_not_throw_it_off(
    broker: SecureBroker,
):
    mine = f"{OWN}/commands"
    async with broker.client("pi-1") as device, broker.client("aggregator") as centre:
        await device.subscribe(mine, qos=1)
        async with broker.client("pi-2", identifier="pi-1"):
            await centre.publish(mine, b"x", qos=1)
            assert await heard(device, until=mine) == [mine]


def test_nobody_connects_without_a_certificate(broker: SecureBroker):
    assert "CERTIFICATE_REQUIRED" in broker.refusal(None)


def test_a_certificate_of_another_authority_is_refused(broker: SecureBroker, tmp_path: Path):
    foreign = authority_for(tmp_path / "foreign", "pi-1")
    shutil.copy(broker.authority / "ca.crt", foreign)
    assert "UNKNOWN_CA" in SecureBroker(broker.port, foreign).refusal("pi-1")


def test_who_has_a_certificate_gets_another_only_when_it_is_out_of_the_way(tmp_path: Path):
    authority = authority_for(tmp_path, "pi-1")
    again = issue(authority, "device", "pi-1")
    assert again.returncode == 2
    assert again.stderr.endswith(f"exists: first revoke pi-1, or move {authority}/pi-1 away\n")
    assert "revoke" not in issue(authority, "broker", "localhost").stderr


async def test_a_revoked_device_is_refused_and_the_others_are_not(tmp_path: Path):
    authority = authority_for(tmp_path / "authority", "pi-1")
    thief = tmp_path / "thief"
    shutil.copytree(authority / "pi-1", thief / "pi-1")
    shutil.copy(authority / "ca.crt", thief)
    assert issue(authority, "revoke", "pi-1").returncode == 0
    port = free_port()
    with running(install(tmp_path / "etc", authority, port), port):
        assert "REVOKED" in SecureBroker(port, thief).refusal("pi-1")
        async with SecureBroker(port, authority).client("aggregator"):
            pass


@pytest.mark.parametrize("name", ["aggregator", "broker", "Pi 1", "a/b", "+", "#", ""])
def test_no_device_gets_a_certificate_with_a_name_that_means_more(tmp_path: Path, name: str):
    authority = authority_for(tmp_path / "authority")
    assert issue(authority, "device", name).returncode == 2


def test_an_authority_is_never_replaced(tmp_path: Path):
    authority = authority_for(tmp_path / "authority")
    key = (authority / "ca.key").read_bytes()
    assert issue(authority, "ca").returncode == 2
    assert (authority / "ca.key").read_bytes() == key


async def test_the_demo_broker_listens_on_loopback_and_asks_nobody(tmp_path: Path):
    port = free_port()
    text = (MOSQUITTO / "demo-localhost.conf").read_text()
    assert "listener 1883 127.0.0.1" in text
    configuration = tmp_path / "demo.conf"
    configuration.write_text(text.replace("1883", str(port)))
    with running(configuration, port):
        async with aiomqtt.Client("127.0.0.1", port, timeout=5) as client:
            await client.subscribe("a")
            await client.publish("a", b"x")
            assert await heard(client, until="a") == ["a"]
