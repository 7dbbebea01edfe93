"""The description of MQTT and WebSockets: whole by AsyncAPI's rules, and true."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
import jsonschema_rs
import pytest

from aggregator.api.asyncapi import description
from aggregator.api.feeds import FEEDS, SOCKETS
from aggregator.config import HomeAssistantConfig
from aggregator.home_assistant.entities import retained, status_topic
from aggregator.live import KINDS, EventKind, notice
from aggregator.store.home_assistant import ShownDevice
from contract import topics
from tests.aggregator.access import RULES
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import (
    alert,
    health,
    isolation,
    now_ns,
    packet,
    presence,
    verdicts,
)

ROOT = Path(__file__).parents[2]
ACL = (ROOT / "firmware_configs" / "mosquitto" / "edgewarden.acl").read_text()
GOLDEN = ROOT / "tests" / "golden" / "wire"
KEY = re.compile(r"[A-Za-z0-9_.-]+")  # what names of AsyncAPI may be
DOCUMENT = json.loads(json.dumps(description()))
CHANNELS, OPERATIONS = DOCUMENT["channels"], DOCUMENT["operations"]


def within(found: object) -> Iterator[object]:
    """Yield an object and everything in it."""
    yield found
    inner = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    for each in inner:
        yield from within(each)


def resolved(reference: str) -> Any:
    found: Any = DOCUMENT
    assert reference.startswith("#/")
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft7Validator:
    """Return what checks a payload; its references are those of the document."""
    return jsonschema_rs.Draft7Validator(schema | {"components": DOCUMENT["components"]})


def channel_of(address: str) -> str:
    """Return the one channel that an address without placeholders belongs to."""

    def fits(pattern: str) -> bool:
        parts = zip(pattern.split("/"), address.split("/"), strict=False)
        return pattern.count("/") == address.count("/") and all(
            ours.startswith("{") or ours == theirs for ours, theirs in parts
        )

    (found,) = [name for name, channel in CHANNELS.items() if fits(channel["address"])]
    return str(found)


def payload_of(message: str) -> dict[str, Any]:
    return dict(DOCUMENT["components"]["messages"][message]["payload"])


def test_the_document_has_the_parts_that_asyncapi_wants():
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"].keys() >= {"title", "version"}
    assert DOCUMENT.keys() <= {
        *("asyncapi", "id", "info", "defaultContentType", "servers"),
        *("channels", "operations", "components"),
    }
    for server in DOCUMENT["servers"].values():
        assert server.keys() >= {"host", "protocol"}
    parts = [DOCUMENT["servers"], CHANNELS, OPERATIONS, *DOCUMENT["components"].values()]
    assert all(KEY.fullmatch(name) for part in parts for name in part)


def test_every_reference_leads_somewhere():
    references = [
        each["$ref"] for each in within(DOCUMENT) if isinstance(each, dict) and "$ref" in each
    ]
    assert len(references) > 100
    for reference in references:
        assert resolved(reference) is not None


def test_every_channel_has_an_operation_and_every_operation_messages_of_its_channel():
    used = set()
    for name, operation in OPERATIONS.items():
        assert operation["action"] in {"send", "receive"}
        channel = operation["channel"]["$ref"]
        used.add(channel.rpartition("/")[2])
        assert operation["messages"], name
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/"), name
            assert resolved(message["$ref"])["$ref"].startswith("#/components/messages/")
    assert used == CHANNELS.keys()


def test_every_placeholder_of_an_address_is_described_and_no_other():
    for channel in CHANNELS.values():
        wanted = set(re.findall(r"\{(\w+)\}", channel["address"]))
        assert channel.get("parameters", {}).keys() == wanted
        assert all(KEY.fullmatch(name) for name in wanted)
    addresses = [channel["address"] for channel in CHANNELS.values()]
    assert len(set(addresses)) == len(addresses)


def test_every_schema_is_one_of_draft_7():
    schemas = DOCUMENT["components"]["schemas"]
    payloads = [message["payload"] for message in DOCUMENT["components"]["messages"].values()]
    for schema in [*schemas.values(), *payloads]:
        jsonschema_rs.meta.validate(
            schema | {"$schema": "http://json-schema.org/draft-07/schema#"}
        )
    words = [key for each in within([schemas, payloads]) if isinstance(each, dict) for key in each]
    assert not {"prefixItems", "discriminator"} & set(words)


def test_every_topic_of_the_brokers_rules_is_described_in_its_direction():
    rules = re.findall(r"^pattern (read|write) (\S+)", ACL, flags=re.MULTILINE)
    assert len(rules) == len(set(topics.LEAVES.values())) + 2
    for access, pattern in rules:
        channel = channel_of(pattern.replace("%u", "pi-1"))
        action = "receive" if access == "write" else "send"  # by the centre
        assert f"{action}_{channel}" in OPERATIONS, pattern
    for topic in re.findall(r"^topic write (\S+)", ACL, flags=re.MULTILINE):
        assert f"send_{channel_of(topic.replace('+', 'x'))}" in OPERATIONS


def test_every_topic_in_code_is_described():
    for kind, leaf in topics.LEAVES.items():
        channel = CHANNELS[channel_of(f"{topics.ROOT}/o/d/{leaf}")]
        assert kind.__name__ in channel["messages"]
    for address in (topics.commands_topic("o", "d"), topics.receipts_topic("o", "d")):
        assert CHANNELS[channel_of(address)]


def test_every_socket_and_every_event_is_described():
    assert {f"WS {path}" for path in SOCKETS} == {rule for rule in RULES if rule.startswith("WS ")}
    assert {channel["address"] for channel in CHANNELS.values()} >= SOCKETS.keys()
    assert FEEDS.keys() == set(get_args(EventKind))
    everything = CHANNELS[channel_of("/api/v1/ws")]["messages"]
    assert {f"{kind}_event" for kind in KINDS} <= everything.keys()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_what_travels_on_the_wire_is_what_is_described(path: Path):
    value = json.loads(path.read_text())
    if path.stem in {"receipt", "signed_order"}:
        name = {"receipt": "Receipt", "signed_order": "SignedOrder"}[path.stem]
        assert validator(payload_of(name)).is_valid(value)
        return
    if path.stem.startswith("order_"):
        assert validator(DOCUMENT["components"]["schemas"]["Order"]).is_valid(value)
        return
    named = {type_.__struct_config__.tag: type_.__name__ for type_ in topics.LEAVES}
    check = validator(payload_of(named[value[3]["type"]]))
    assert check.is_valid(value), [error.message for error in check.iter_errors(value)]
    assert not check.is_valid([*value[:3], {"type": "nothing"}])


def test_what_is_retained_for_home_assistant_is_described():
    config = HomeAssistantConfig()
    device = ShownDevice("pi-1", "Pi", "edge_ml", "1", True, 1, 0, 2.5, "DOS", "high", "h", 1)  # noqa: FBT003
    told = retained(config, device, "1") | {status_topic(config): b"online"}
    for topic, payload in told.items():
        (name,) = CHANNELS[channel_of(topic)]["messages"]
        content = DOCUMENT["components"]["messages"][name]["contentType"]
        value = json.loads(payload) if content == "application/json" else payload.decode()
        assert validator(payload_of(name)).is_valid(value), topic
    (state,) = [json.loads(told[topic]) for topic in told if topic.endswith("/state")]
    assert payload_of("HomeAssistantState")["properties"].keys() == state.keys()


def test_the_running_service_serves_it(centre: Centre):
    answer = httpx.get(f"{centre.url}/api/v1/asyncapi.json")
    assert answer.json() == DOCUMENT


async def test_events_are_what_is_described(centre: Centre):
    """Every kind that a device brings about comes over a socket and fits its schema."""
    wanted = {
        *("new_alert", "alert_updated", "incident", "isolation", "device_health", "packet"),
        *("detection", "presence", "wall_post"),
    }
    seen: dict[str, Any] = {}
    async with centre.watch() as socket, centre.device("described-pi-2") as device:
        await device.publish(presence(), 1)
        for message in (
            alert(77_001),
            alert(77_001, windows=3),
            isolation(77_001, alert_id=alert(77_001).alert_id),
            packet(),
            verdicts(("Scan",), number=now_ns() // 10**9),
            health(),
        ):
            await device.tell(message)
        with centre.client() as client:
            client.post(f"{centre.url}/alerts", json={"message": "m", "location": "l"})
        while not wanted <= seen.keys():
            event = json.loads(await socket.recv())
            seen[event["type"]] = event
    for kind, event in seen.items():
        check = validator(payload_of(f"{kind}_event"))
        assert check.is_valid(event), (kind, [error.message for error in check.iter_errors(event)])
        beside = payload_of(f"{kind}_event")["properties"]
        assert event.keys() <= beside.keys(), kind


def test_notices_are_what_is_described():
    for name, said in (
        ("Dropped", notice("dropped", count=3)),
        ("Resync", notice("resync", cursor=3)),
        ("Refused", notice("error", message="no")),
    ):
        assert validator(payload_of(name)).is_valid(json.loads(said))
