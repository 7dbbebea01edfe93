"""What a device told, with who told it and when; turned into columns for a statement."""

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

from contract.messages import Message

M = TypeVar("M", bound=Message)


class Reported(msgspec.Struct, Generic[M], frozen=True):
    """A message and where it comes from; the sender is who the topic says."""

    organization: str
    device_id: str
    boot: str
    received_ns: int
    message: M
    clock_offset_ns: int = 0  # was added to its times, because its device's clock is wrong


def columns(reported: Sequence[Reported[M]], *names: str) -> dict[str, list[object]]:
    """Return the sender's columns and, for each name, that field of every message."""
    senders: dict[str, list[object]] = {
        name: [getattr(item, name) for item in reported]
        for name in ("organization", "device_id", "received_ns")
    }
    return senders | {name: [getattr(item.message, name) for item in reported] for name in names}


def latest(reported: Sequence[Reported[M]], key: str | None = None) -> list[Reported[M]]:
    """Return the last message of each sender, or of each sender and value of a field."""
    found = {
        (item.organization, item.device_id, key and getattr(item.message, key)): item
        for item in reported
    }
    return list(found.values())


def json_text(value: object) -> str:
    """Return a value as JSON text for a column."""
    return msgspec.json.encode(value).decode()
