"""Payloads to messages: who said it, which number it has, or why it cannot be taken."""

import msgspec

from aggregator.store.rejects import Reject
from aggregator.store.reported import Reported
from aggregator.store.verdicts import fault_of
from aggregator.store.watermarks import Boot
from contract import codec, topics
from contract.codec import CodecError
from contract.messages import Envelope, Message, Presence, VerdictBatch
from contract.topics import DeviceTopic, TopicError

MAX_REASON_CHARACTERS = 300


class Arrival(msgspec.Struct, frozen=True):
    """What the broker handed over."""

    topic: str
    payload: bytes
    retained: bool
    received_ns: int


class Numbered(msgspec.Struct, frozen=True):
    """An arrival with its number; without a message when that cannot be taken."""

    boot: Boot
    seq: int
    floor: int
    arrival: Arrival
    message: Message | None
    reason: str = ""


class Present(msgspec.Struct, frozen=True):
    """Who is there or left; travels outside the numbering."""

    reported: Reported[Presence]
    retained: bool


Item = Numbered | Present | Reject


def read(arrival: Arrival) -> Item:
    """Read an arrival. The sender is who the topic says, never what a payload claims.

    A message that we cannot read but whose number we can is numbered all the same: its device
    would otherwise send it for ever, and everything behind it would wait.
    """
    try:
        topic = topics.parse(arrival.topic)
    except TopicError as error:
        return reject(arrival, None, str(error))
    if topic.leaf == topics.LEAVES[Presence]:
        return _presence(arrival, topic)
    try:
        envelope = codec.decode_envelope(arrival.payload)
    except CodecError as error:
        return _unreadable(arrival, topic, str(error))
    if envelope.floor > envelope.seq:
        return reject(arrival, topic, "its number lies below its floor")
    boot = Boot(topic.organization, topic.device_id, envelope.boot)
    fault = _fault(envelope, topic)
    message = None if fault else envelope.message
    return Numbered(boot, envelope.seq, envelope.floor, arrival, message, fault or "")


def reject(arrival: Arrival, topic: DeviceTopic | None, reason: str) -> Reject:
    """Return an arrival as one that could not be taken."""
    return Reject(
        organization=topic.organization if topic else None,
        device_id=topic.device_id if topic else None,
        topic=arrival.topic,
        reason=reason[:MAX_REASON_CHARACTERS],
        payload=arrival.payload,
        received_ns=arrival.received_ns,
    )


def _presence(arrival: Arrival, topic: DeviceTopic) -> Present | Reject:
    try:
        message = codec.decode_envelope(arrival.payload).message
    except CodecError as error:
        return reject(arrival, topic, str(error))
    if not isinstance(message, Presence):
        return reject(arrival, topic, f"{type(message).__name__} on the topic of presence")
    reported = Reported(
        topic.organization, topic.device_id, message.boot, arrival.received_ns, message
    )
    return Present(reported, arrival.retained)


def _unreadable(arrival: Arrival, topic: DeviceTopic, reason: str) -> Numbered | Reject:
    try:
        header = codec.decode_header(arrival.payload)
    except CodecError:
        return reject(arrival, topic, reason)
    if header.floor > header.seq:
        return reject(arrival, topic, reason)
    boot = Boot(topic.organization, topic.device_id, header.boot)
    return Numbered(boot, header.seq, header.floor, arrival, None, reason)


def _fault(envelope: Envelope, topic: DeviceTopic) -> str | None:
    message = envelope.message
    if topics.LEAVES[type(message)] != topic.leaf:
        return f"{type(message).__name__} on the topic of {topic.leaf}"
    return fault_of(message) if isinstance(message, VerdictBatch) else None
