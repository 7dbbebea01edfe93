"""Writes docs/feeds.md from the description of MQTT and WebSockets: `python scripts/feeds.py`."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aggregator.api.asyncapi import description

PAGE = Path(__file__).parent.parent / "docs" / "feeds.md"
INTRODUCTION = """\
# MQTT and WebSockets

Generated from the types that travel by `scripts/feeds.py`; a test keeps it current. Do not edit by hand. The same for programs, as
[AsyncAPI 3.0](https://www.asyncapi.com/docs/reference/specification/v3.0.0): GET `/api/v1/asyncapi.json` of a running centre, without a token.

"""

Object = dict[str, Any]


def main() -> int:
    """Write the page, or with --check say whether it is current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if it is stale"
    )
    options = parser.parse_args()
    page = render(description())
    if options.check:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page
        if not current:
            print(f"{PAGE} is stale: run python scripts/feeds.py", file=sys.stderr)
        return 0 if current else 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


def render(document: Object) -> str:
    """Return the page."""
    lines = [*_mqtt(document), *_sockets(document), *_schemas(document)]
    return INTRODUCTION + "\n".join(lines) + "\n"


def _mqtt(document: Object) -> Iterator[str]:
    yield "## MQTT\n"
    yield "Payloads are MessagePack; every field is in the [wire contract](wire-contract.md).\n"
    yield "| topic | who says it | message | |\n| --- | --- | --- | --- |"
    for name, channel in document["channels"].items():
        if _server(channel) == "broker":
            yield _topic(document, name, channel)
    yield "\nWhere `[home_assistant]` is enabled, at its broker, as JSON or plain words:\n"
    yield "| topic | who says it | message | |\n| --- | --- | --- | --- |"
    for name, channel in document["channels"].items():
        if _server(channel) == "home-assistant":
            yield _topic(document, name, channel)
    yield ""


def _topic(document: Object, name: str, channel: Object) -> str:
    sends = f"send_{name}" in document["operations"]
    operation = document["operations"][f"{'send' if sends else 'receive'}_{name}"]
    binding = operation["bindings"]["mqtt"]
    who = "centre" if sends else "device"
    messages = [document["components"]["messages"][each] for each in channel["messages"]]
    said = "; ".join(f"{each['name']}: {each['summary'].rstrip('.')}" for each in messages)
    kept = ", retained" if binding["retain"] else ""
    return f"| `{channel['address']}` | {who} | {said} | QoS {binding['qos']}{kept} |"


def _sockets(document: Object) -> Iterator[str]:
    yield "## WebSockets\n"
    yield "One JSON object a message. How to get in is in [clients](clients.md) and [access](access.md).\n"
    for name, channel in document["channels"].items():
        if _server(channel) != "centre":
            continue
        yield f"### {channel['address']}\n"
        yield f"{channel['description']}.\n"
        query = channel["bindings"]["ws"]["query"]["properties"]
        yield (
            "Query: "
            + "; ".join(f"`{key}` {of['description']}" for key, of in query.items())
            + ".\n"
        )
        yield "| | message | what it holds |\n| --- | --- | --- |"
        for action, word in (("send", "says"), ("receive", "hears")):
            for reference in document["operations"][f"{action}_{name}"]["messages"]:
                message = document["components"]["messages"][reference["$ref"].rpartition("/")[2]]
                yield f"| {word} | {message['summary'].rstrip('.')} | {_held(message['payload'])} |"
        yield ""


def _schemas(document: Object) -> Iterator[str]:
    yield "## What these hold\n"
    for name in sorted(_told_on_sockets(document)):
        schema = document["components"]["schemas"][name]
        yield f"### {name}\n"
        yield schema.get("description", "").splitlines()[0] + "\n"
        yield "| field | type | |\n| --- | --- | --- |"
        required = schema.get("required", [])
        for field, of in schema["properties"].items():
            yield f"| `{field}` | {_words(of)} | {'' if field in required else 'optional'} |"
        yield ""


def _told_on_sockets(document: Object) -> set[str]:
    """Return the schemas that WebSockets need, and those that these need."""
    found: set[str] = set()
    waiting = [
        document["components"]["messages"][name]["payload"]
        for channel in document["channels"].values()
        if _server(channel) == "centre"
        for name in channel["messages"]
    ]
    while waiting:
        fresh = set(_references(waiting.pop())) - found
        found |= fresh
        waiting += [document["components"]["schemas"][name] for name in fresh]
    return found


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        for each in schema.values():
            yield from _references(each)


def _held(payload: Object) -> str:
    if "data" not in payload.get("properties", {}):
        return _words(payload)
    properties = payload["properties"]
    beside = "".join(f", `{name}`" for name in properties if name not in {"type", "data"})
    return f"`type` `{properties['type']['const']}`{beside}, `data`: {_words(properties['data'])}"


def _words(schema: Object) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(_words, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_words(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of text to {_words(schema['additionalProperties'])}"
    kind = str(schema.get("type", "anything"))
    return {"string": "text", "object": "map"}.get(kind, kind)


def _server(channel: Object) -> str:
    return str(channel["servers"][0]["$ref"].rpartition("/")[2])


if __name__ == "__main__":
    sys.exit(main())
