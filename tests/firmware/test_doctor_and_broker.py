"""What `edgewarden-agent doctor` says of the way to the broker of firmware_configs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from agent.config import AgentConfig, CommandsConfig
from agent.doctor import examine
from runtime.config import BrokerConfig
from tests.firmware.mosquitto import (
    SecureBroker,
    authority_for,
    free_port,
    install,
    running,
)

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    folder = tmp_path_factory.mktemp("broker")
    authority = authority_for(folder / "authority", "pi-1")
    port = free_port()
    with running(install(folder / "etc", authority, port), port):
        yield SecureBroker(port, authority)


def settings(broker: SecureBroker) -> AgentConfig:
    """As in agent.toml, with the certificate of pi-1."""
    own = broker.authority / "pi-1"
    return AgentConfig(
        device_id="pi-1",
        broker=BrokerConfig(
            host="127.0.0.1",
            port=broker.port,
            tls=True,
            ca_file=own / "ca.crt",
            cert_file=own / "client.crt",
            key_file=own / "client.key",
        ),
    )


def told(config: AgentConfig, capsys: pytest.CaptureFixture[str]) -> str:
    examine(config)
    return capsys.readouterr().out


def test_a_broker_that_takes_our_certificate_answers(
    broker: SecureBroker, capsys: pytest.CaptureFixture[str]
):
    said = told(settings(broker), capsys)
    assert f"ok   broker 127.0.0.1:{broker.port} answers" in said
    assert "is the certificate of" not in said


def test_a_certificate_with_another_name_than_the_device_is_told(
    broker: SecureBroker, capsys: pytest.CaptureFixture[str]
):
    said = told(structs.replace(settings(broker), device_id="kitchen"), capsys)
    assert "FAIL device_id is kitchen, but " in said
    assert 'client.crt is the certificate of pi-1\n       fix: device_id = "pi-1"' in said


def test_a_broker_that_refuses_us_or_is_not_believed_is_told(
    broker: SecureBroker, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    fine = settings(broker)
    stranger = authority_for(tmp_path / "other", "pi-1") / "pi-1"
    missing = tmp_path / "client.key"
    for changed, words in (
        ({"cert_file": None, "key_file": None}, "certificate required"),
        (
            {"cert_file": stranger / "client.crt", "key_file": stranger / "client.key"},
            "unknown ca",
        ),
        ({"ca_file": stranger / "ca.crt"}, "certificate verify failed"),
        ({"key_file": missing}, f"TLS file of the broker: {missing}: No such file or directory"),
        ({"port": free_port()}, "Connection refused"),
    ):
        config = structs.replace(fine, broker=structs.replace(fine.broker, **changed))
        said = [line for line in told(config, capsys).splitlines() if words in line]
        assert len(said) == 1, words
        assert said[0].startswith("FAIL ")


def test_an_agent_that_obeys_nobody_is_told_that_nobody_can_lift(
    broker: SecureBroker, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    config = settings(broker)
    assert "warn no key of the centre: its commands, lifting an" in told(config, capsys)
    key = CommandsConfig(public_key_file=tmp_path / "commands.pem")
    said = told(structs.replace(config, commands=key), capsys)
    assert f"FAIL [commands] public_key_file: {tmp_path}/commands.pem: No such file" in said
