"""The description of MQTT and WebSockets: AsyncAPI 3.0, made from the types that travel."""

import inspect
from functools import cache
from importlib import metadata
from typing import Any, Final

import msgspec
from litestar import get

from aggregator.api.feeds import FEEDS, RESUMABLE, SOCKETS, SocketFeed
from aggregator.api.identity import PUBLIC
from aggregator.config import HomeAssistantConfig
from aggregator.home_assistant import entities
from aggregator.live import EventKind
from contract import topics
from contract.commands import Order, SignedOrder
from contract.messages import Envelope, Message, Presence, Receipt

MSGPACK: Final = "application/msgpack"
JSON: Final = "application/json"
TEXT: Final = "text/plain"
_REF: Final = "#/components/schemas/{name}"
_HOME: Final = HomeAssistantConfig()

Object = dict[str, Any]


@get("/asyncapi.json", opt=PUBLIC, include_in_schema=False, sync_to_thread=False)
def describe_feeds() -> Object:
    """Return the description of MQTT and WebSockets."""
    return description()


@cache
def description() -> Object:
    """Return the document; nobody may change it."""
    builder = _Builder()
    for leaf in dict.fromkeys(topics.LEAVES.values()):
        builder.from_devices(leaf)
    builder.to_devices(topics.COMMANDS, SignedOrder, retained=False)
    builder.to_devices(topics.RECEIPTS, Receipt, retained=False, qos=0)
    builder.home_assistant()
    for path, feed in SOCKETS.items():
        builder.socket(path, feed)
    return builder.document()


class _Builder:
    """Gathers channels, operations and messages."""

    def __init__(self) -> None:
        kinds: list[Any] = [Envelope, SignedOrder, Order, Receipt]
        kinds += [kind for feed in FEEDS.values() for kind in _several(feed.data)]
        kinds += [kind for feed in SOCKETS.values() for kind in (*feed.says, *feed.hears)]
        schemas, self._schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
        self._schema_of = dict(zip(map(str, kinds), schemas, strict=True))
        self._channels: Object = {}
        self._operations: Object = {}
        self._messages: Object = {}

    def from_devices(self, leaf: str) -> None:
        """Describe a topic on which devices publish."""
        kinds = [kind for kind, at in topics.LEAVES.items() if at == leaf]
        names = [self._enveloped(kind) for kind in kinds]
        retained = Presence in kinds
        self._topic(leaf, names, "receive", retained=retained)

    def to_devices(
        self, leaf: str, kind: type[msgspec.Struct], *, retained: bool, qos: int = 1
    ) -> None:
        """Describe a topic on which the centre tells one device."""
        name = self._message(kind.__name__, _first_line(kind), MSGPACK, self._ref(kind))
        self._topic(leaf, [name], "send", retained=retained, qos=qos)

    def home_assistant(self) -> None:
        """Describe what is retained for Home Assistant."""
        node = f"{_HOME.state_prefix}/{{organization}}/{{device_id}}"
        described = f"{_HOME.discovery_prefix}/{{component}}/{{node}}/{{entity}}/config"
        state = {"type": "object", "properties": {name: {} for name in _STATE}}
        there = {"enum": ["online", "offline"]}
        for address, name, content, payload, meaning in (
            (described, "HomeAssistantEntity", JSON, {"type": "object"}, "What an entity is"),
            (f"{node}/state", "HomeAssistantState", JSON, state, "How a device stands"),
            (f"{node}/availability", "HomeAssistantDevice", TEXT, there, "Whether it is there"),
            (entities.status_topic(_HOME), "HomeAssistantCentre", TEXT, there, "Whether we are"),
        ):
            message = self._message(name, meaning, content, payload)
            channel = _name_of(f"home_assistant_{name.removeprefix('HomeAssistant')}")
            self._channel(channel, address, [message], "home-assistant")
            self._operation(channel, "send", [message], {"mqtt": {"qos": 1, "retain": True}})

    def socket(self, path: str, feed: SocketFeed) -> None:
        """Describe a WebSocket."""
        says = [self._event(kind, bare=feed.bare) for kind in feed.kinds]
        says += [self._said(kind) for kind in feed.says]
        hears = [self._said(kind) for kind in feed.hears]
        channel = _name_of("ws" + path.removeprefix("/api/v1").removeprefix("/ws"))
        channel = "events" if path == "/api/v1/ws" else channel
        self._channel(channel, path, [*says, *hears], "centre")
        query: Object = dict(_TOKENS)
        if path in RESUMABLE:
            query |= _RESUMING
        if path == "/api/v1/ws":
            query["types"] = {"type": "string", "description": "which events, by commas"}
        bindings = {"method": "GET", "query": {"type": "object", "properties": query}}
        self._channels[channel] |= {"description": feed.meaning, "bindings": {"ws": bindings}}
        self._operation(channel, "send", says)
        self._operation(channel, "receive", hears)

    def document(self) -> Object:
        """Return everything that was gathered."""
        return {
            "asyncapi": "3.0.0",
            "id": "urn:edgewarden:aggregator",
            "info": {
                "title": "Edgewarden: MQTT and WebSockets",
                "version": metadata.version("edgewarden"),
                "description": _DESCRIPTION,
                "license": {"name": "MIT"},
            },
            "defaultContentType": JSON,
            "servers": _SERVERS,
            "channels": self._channels,
            "operations": self._operations,
            "components": {
                "schemas": {name: _draft_7(schema) for name, schema in self._schemas.items()},
                "messages": self._messages,
                "securitySchemes": {
                    "certificate": {
                        "type": "X509",
                        "description": "a device's or the centre's; or a user and a password",
                    },
                    "bearer": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "an access token, an API token, or a device's key",
                    },
                },
            },
        }

    def _topic(
        self, leaf: str, names: list[str], action: str, *, retained: bool, qos: int = 1
    ) -> None:
        channel = _name_of(leaf)
        self._channel(
            channel, f"{topics.ROOT}/{{organization}}/{{device_id}}/{leaf}", names, "broker"
        )
        self._operation(channel, action, names, {"mqtt": {"qos": qos, "retain": retained}})

    def _channel(self, channel: str, address: str, names: list[str], server: str) -> None:
        parameters = {
            part.strip("{}"): {"description": _PARAMETERS[part.strip("{}")]}
            for part in address.split("/")
            if part.startswith("{")
        }
        described: Object = {
            "address": address,
            "servers": [{"$ref": f"#/servers/{server}"}],
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        }
        if parameters:
            described["parameters"] = parameters
        self._channels[channel] = described

    def _operation(
        self, channel: str, action: str, names: list[str], bindings: Object | None = None
    ) -> None:
        operation: Object = {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
        }
        if bindings:
            operation["bindings"] = bindings
        self._operations[f"{action}_{channel}"] = operation

    def _enveloped(self, kind: type[Message]) -> str:
        # Of an envelope's four items, the last is what this topic is for.
        *head, _ = self._schemas["Envelope"]["prefixItems"]
        payload = {
            "type": "array",
            "items": [*head, {"$ref": _REF.format(name=kind.__name__)}],
            "minItems": len(head) + 1,
        }
        return self._message(kind.__name__, _first_line(kind), MSGPACK, payload)

    def _event(self, kind: EventKind, *, bare: bool) -> str:
        feed = FEEDS[kind]
        found = [self._schema_of[str(each)] for each in _several(feed.data)]
        data = found[0] if len(found) == 1 else {"anyOf": found}
        if bare:
            return self._message(f"{kind}_bare", feed.meaning, JSON, data)
        beside = {name: msgspec.json.schema(of) for name, of in feed.beside.items()}
        payload = {
            "type": "object",
            "properties": {
                "type": {"const": kind},
                "cursor": {"type": "integer", "description": "resume behind it with ?since="},
                **beside,
                "data": data,
            },
            "required": ["type", "cursor", "data"],
        }
        return self._message(f"{kind}_event", feed.meaning, JSON, payload)

    def _said(self, kind: type[msgspec.Struct]) -> str:
        return self._message(kind.__name__, _first_line(kind), JSON, self._ref(kind))

    def _ref(self, kind: type[msgspec.Struct]) -> Object:
        return dict(self._schema_of[str(kind)])

    def _message(self, name: str, meaning: str, content: str, payload: Object) -> str:
        self._messages[name] = {
            "name": name,
            "title": name,
            "summary": meaning,
            "contentType": content,
            "payload": _draft_7(payload),
        }
        return name


def _first_line(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").splitlines()[0]


def _name_of(text: str) -> str:
    return text.strip("/").replace("/", "_").replace("-", "_").lower()


def _several(kinds: object) -> tuple[object, ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)


def _draft_7(schema: Object) -> Object:
    """Return a schema in the words of JSON Schema draft 7, which AsyncAPI extends."""
    # The tags of a union tell its members apart already; `discriminator` is another thing here.
    kept = {name: _words(value) for name, value in schema.items() if name != "discriminator"}
    if "prefixItems" in kept:
        kept["items"] = kept.pop("prefixItems")
    said = kept.get("description")
    if isinstance(said, str):
        kept["description"] = inspect.cleandoc(said)
    return kept


def _words(value: object) -> object:
    if isinstance(value, list):
        return [_words(each) for each in value]
    return _draft_7(value) if isinstance(value, dict) else value


_STATE: Final = (
    "under_attack",
    "alerts_open",
    "isolations_active",
    "packets_per_s",
    "last_attack",
)
_PARAMETERS: Final = {
    "organization": "whose device",
    "device_id": "which device",
    "component": "of Home Assistant: sensor or binary_sensor",
    "node": "edgewarden_{organization}_{device_id}",
    "entity": "which of its entities",
}
_TOKENS: Final = {
    "ticket": {"type": "string", "description": "of /api/v1/auth/ws-ticket: once, within 30 s"},
    "token": {"type": "string", "description": "a stream token"},
}
_RESUMING: Final = {
    "since": {
        "type": "integer",
        "minimum": 0,
        "description": "the cursor of the last event seen: what was missed comes first",
    },
    "batch": {"type": "boolean", "description": "arrays of what gathered in 100 ms"},
}
_SERVERS: Final = {
    "broker": {
        "host": "localhost:8883",
        "protocol": "mqtts",
        "protocolVersion": "5.0",
        "description": "The broker of [broker]; MQTT 3.1.1 works too. Payloads are MessagePack.",
        "security": [{"$ref": "#/components/securitySchemes/certificate"}],
    },
    "centre": {
        "host": "localhost:8000",
        "protocol": "ws",
        "description": "The aggregator; wss behind a proxy with TLS.",
        "security": [{"$ref": "#/components/securitySchemes/bearer"}],
    },
    "home-assistant": {
        "host": "localhost:1883",
        "protocol": "mqtt",
        "description": "The broker of [home_assistant.broker], where that is enabled.",
    },
}
_DESCRIPTION: Final = (
    "What the aggregator receives and sends. Over MQTT an Envelope counts every message of a device,"
    " and a Receipt says what is stored for good; a SignedOrder holds the bytes of an Order. On"
    " WebSockets every message is one JSON object."
)
