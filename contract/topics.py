"""Where each message and command travels: edgewarden/v1/{organization}/{device_id}/{leaf}."""

import re

import msgspec

from contract.identifiers import NAME_PATTERN
from contract.messages import (
    Alert,
    CommandAck,
    EvidencePart,
    Health,
    Isolation,
    LogLines,
    Message,
    ModelsHave,
    PacketSample,
    Presence,
    Readings,
    VerdictBatch,
)

ROOT = "edgewarden/v1"
MAX_TOPIC_BYTES = 256

LEAVES: dict[type[Message], str] = {
    Presence: "presence",
    Health: "health",
    VerdictBatch: "verdicts",
    Alert: "alerts",
    Isolation: "isolations",
    PacketSample: "packets",
    LogLines: "logs",
    Readings: "readings",
    ModelsHave: "models/have",
    CommandAck: "commands/ack",
    # With the samples: brokers whose rules are older let it pass, and a message that is refused
    # would hold back all that come after it.
    EvidencePart: "packets",
}
COMMANDS = "commands"  # centre -> device
RECEIPTS = "receipts"  # centre -> device

_NAME = re.compile(NAME_PATTERN)
_LEAVES = frozenset(LEAVES.values())


class TopicError(ValueError):
    """A topic is none of ours."""


class DeviceTopic(msgspec.Struct, frozen=True):
    """What the topic of a device's message says."""

    organization: str
    device_id: str
    leaf: str


def topic_for(message: Message, organization: str, device_id: str) -> str:
    """Return the topic on which a device publishes a message."""
    return f"{ROOT}/{organization}/{device_id}/{LEAVES[type(message)]}"


def commands_topic(organization: str, device_id: str) -> str:
    """Return the topic on which a device receives its commands."""
    return f"{ROOT}/{organization}/{device_id}/{COMMANDS}"


def receipts_topic(organization: str, device_id: str) -> str:
    """Return the topic on which a device learns what is stored."""
    return f"{ROOT}/{organization}/{device_id}/{RECEIPTS}"


def device_filters() -> tuple[str, ...]:
    """Return the filters by which the centre hears every device of every organization."""
    return tuple(f"{ROOT}/+/+/{leaf}" for leaf in dict.fromkeys(LEAVES.values()))


def parse(topic: str) -> DeviceTopic:
    """Take a device's topic apart.

    Raises:
        TopicError: The topic is not one on which a device publishes.
    """
    if not topic.startswith(ROOT + "/") or len(topic) > MAX_TOPIC_BYTES:
        message = f"not a topic of ours: {topic[:80]!r}"
        raise TopicError(message)
    organization, _, rest = topic[len(ROOT) + 1 :].partition("/")
    device_id, _, leaf = rest.partition("/")
    if not (_NAME.match(organization) and _NAME.match(device_id) and leaf in _LEAVES):
        message = f"not a topic of a device: {topic[:80]!r}"
        raise TopicError(message)
    return DeviceTopic(organization, device_id, leaf)
