"""The wire stays what it is: golden files, and round trips of everything that travels.

After a deliberate change write the files anew, and read the difference:
EDGEWARDEN_WRITE_GOLDEN=1 pytest tests/contract
"""

import os
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from contract import codec
from contract.commands import AnyCommand, Order, SignedOrder, key_id
from contract.features import FEATURES, feature_schema_id
from contract.messages import Alert, AnyMessage, Envelope, Receipt
from contract.topics import LEAVES
from tests.contract.examples import COMMANDS, MESSAGES, everything

GOLDEN = Path(__file__).parent.parent / "golden" / "wire"
SCHEMA = GOLDEN.parent / "feature_schema.txt"
WRITE = bool(os.environ.get("EDGEWARDEN_WRITE_GOLDEN"))

Value = Envelope | Order | SignedOrder | Receipt


def decoded(value: Value, data: bytes) -> Value:
    if isinstance(value, Envelope):
        return codec.decode_envelope(data)
    if isinstance(value, Order):
        return codec.decode_order(data)
    if isinstance(value, SignedOrder):
        return codec.decode_signed_order(data)
    return codec.decode_receipt(data)


def readable(value: Value) -> str:
    """Return a value as JSON for people who read a difference; bytes stand in base64."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


@pytest.mark.parametrize("name", everything())
def test_what_travels_is_encoded_as_it_always_was(name):
    value = everything()[name]
    binary, text = GOLDEN / f"{name}.bin", GOLDEN / f"{name}.json"
    if WRITE:
        binary.write_bytes(codec.encode(value))
        text.write_text(readable(value))
    assert codec.encode(value) == binary.read_bytes()
    assert readable(value) == text.read_text()


@pytest.mark.parametrize("name", everything())
def test_what_was_written_once_can_still_be_read(name):
    value = everything()[name]
    assert decoded(value, (GOLDEN / f"{name}.bin").read_bytes()) == value


def test_who_knows_no_parts_and_who_does_read_each_other():
    """An isolation, or the order for one, without `part` is of a whole host, as it always was."""
    for name in ("isolation", "order_isolate"):
        told = msgspec.msgpack.decode((GOLDEN / f"{name}.bin").read_bytes())
        body = told[3] if name == "isolation" else told["command"]
        assert body.pop("part")["kind"] in {"flow", "pair"}
        read: Any = decoded(everything()[name], msgspec.msgpack.encode(told))
        assert (read.message if name == "isolation" else read.command).part is None
        body["not_known_yet"] = {"kind": "pair"}
        assert decoded(everything()[name], msgspec.msgpack.encode(told)) == read


def test_an_order_of_a_centre_that_names_no_organization_yet_is_read():
    told = msgspec.msgpack.decode((GOLDEN / "order_release.bin").read_bytes())
    assert told.pop("organization") == "default"
    assert codec.decode_order(msgspec.msgpack.encode(told)).organization is None


def test_no_golden_file_is_left_over():
    assert {path.stem for path in GOLDEN.iterdir()} == set(everything())


def test_every_message_and_every_command_has_an_example_and_every_message_a_topic():
    assert {type(message) for message in MESSAGES.values()} == set(get_args(AnyMessage))
    assert {type(command) for command in COMMANDS.values()} == set(get_args(AnyCommand))
    assert set(LEAVES) == set(get_args(AnyMessage))


def test_a_header_is_read_from_an_envelope_whatever_it_carries():
    for name, message in MESSAGES.items():
        header = codec.decode_header((GOLDEN / f"{name}.bin").read_bytes())
        assert (header.seq, header.floor) == (2**33, 7), message


def test_the_feature_schema_changes_only_on_purpose():
    """Whoever changes it must train a new model; see FEATURE_REVISION in contract.features."""
    lines = [feature_schema_id(), *(f"{feature.name} {feature.unit}" for feature in FEATURES)]
    text = "\n".join(lines) + "\n"
    if WRITE:
        SCHEMA.write_text(text)
    assert text == SCHEMA.read_text()


def test_the_name_of_a_signing_key_is_made_from_its_public_bytes():
    assert key_id(bytes(range(32))) == "630dcd2966c43366"


def test_an_alert_of_an_agent_that_names_no_flow_yet_is_read():
    told = msgspec.to_builtins(everything()["alert"])
    del told[3]["flow"]
    envelope = codec.decode_envelope(msgspec.msgpack.encode(told))
    assert isinstance(envelope.message, Alert)
    assert envelope.message.flow is None
