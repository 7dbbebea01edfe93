"""What travels on WebSockets: which events there are, and what each socket says and hears."""

from typing import Any, Final, Literal

import msgspec

from aggregator.api.device_events import DeviceEventGiven
from aggregator.api.live import AuthMessage
from aggregator.api.terminals import Connect, Input, Resize
from aggregator.api.wall import ChatGiven
from aggregator.live import KINDS, EventKind
from aggregator.presence import DeviceEventShape
from aggregator.samples import Detection, PacketShape, ReadingShape
from aggregator.shapes import (
    AlertShape,
    CommandShape,
    DeviceShape,
    IncidentShape,
    IsolationShape,
)
from aggregator.wall import ChatMessage, WallAlert


class Feed(msgspec.Struct, frozen=True):
    """One type of event: what it holds, and what it has beside `type`, `cursor` and `data`."""

    meaning: str
    data: Any  # a type, or several that it may be
    beside: dict[str, Any] = {}  # name -> type


FEEDS: Final[dict[EventKind, Feed]] = {
    "new_alert": Feed("An alert was opened", AlertShape),
    "alert_updated": Feed("A device or a person changed an alert", AlertShape),
    "incident": Feed(
        "An incident began, grew (told once a second at most) or was changed", IncidentShape
    ),
    "detection": Feed("One malicious verdict", Detection, {"window_s": float}),
    "isolation": Feed("An isolation as it stands", IsolationShape),
    "command": Feed("How far a command has come", CommandShape),
    "device_health": Feed(
        "A device said how it is; not given again by `since`", DeviceShape, {"device_id": str}
    ),
    "presence": Feed(
        "Who comes, is late and goes", DeviceShape, {"device_id": str, "status": str}
    ),
    "device_event": Feed("A device came or went, as it is kept", DeviceEventShape),
    "readings": Feed("Values of sensors", list[ReadingShape], {"device_id": str}),
    "packet": Feed("A sampled packet", PacketShape, {"device_id": str}),
    "wall_post": Feed("Something was posted on the wall", (WallAlert, ChatMessage)),
}


class Dropped(msgspec.Struct, frozen=True, tag="dropped", tag_field="type"):
    """So many of the oldest events were dropped: the client is too slow."""

    count: int


class Resync(msgspec.Struct, frozen=True, tag="resync", tag_field="type"):
    """What came after `since` is not all kept any more: read the lists again, and go on from here."""

    cursor: int


class Refused(msgspec.Struct, frozen=True, tag="error", tag_field="type"):
    """What was said cannot be taken."""

    message: str


class TerminalStatus(msgspec.Struct, frozen=True, tag="status", tag_field="type"):
    """How a terminal stands."""

    status: Literal["connecting", "connected", "disconnected"]
    reason: str = ""  # why it is over


class TerminalData(msgspec.Struct, frozen=True, tag="data", tag_field="type"):
    """What a terminal shows."""

    data: str


class TerminalError(msgspec.Struct, frozen=True, tag="error", tag_field="type"):
    """Why there is no terminal."""

    error: str


class SocketFeed(msgspec.Struct, frozen=True):
    """What a socket says and hears."""

    meaning: str
    kinds: tuple[EventKind, ...] = ()
    bare: bool = False  # only what events hold, without type and cursor
    says: tuple[type[msgspec.Struct], ...] = ()
    hears: tuple[type[msgspec.Struct], ...] = (AuthMessage,)


_NOTICES: Final = (Dropped, Resync)

SOCKETS: Final[dict[str, SocketFeed]] = {
    "/api/v1/ws": SocketFeed("Everything that happens in the organization", KINDS, says=_NOTICES),
    "/ws/live-data": SocketFeed("Values of sensors", ("readings",), says=_NOTICES),
    "/ws/device-status": SocketFeed("Who is there", ("presence",), says=_NOTICES),
    "/ws/alerts": SocketFeed("Alerts", ("new_alert", "alert_updated"), says=_NOTICES),
    "/ws/frontend": SocketFeed(
        "Who comes and goes, by the word of device services",
        ("device_event",),
        bare=True,
        says=(Dropped,),
    ),
    "/ws/device": SocketFeed(
        "A device service tells who comes and goes, and vouches while it stays",
        says=(Refused,),
        hears=(AuthMessage, DeviceEventGiven),
    ),
    "/ws": SocketFeed(
        "The alert wall with its chat",
        ("wall_post",),
        bare=True,
        says=(Dropped, Refused),
        hears=(AuthMessage, ChatGiven),
    ),
    "/ws/terminal": SocketFeed(
        "A terminal on a device, for operators",
        says=(TerminalStatus, TerminalData, TerminalError),
        hears=(AuthMessage, Connect, Input, Resize),
    ),
}
RESUMABLE: Final = frozenset({"/api/v1/ws", "/ws/live-data", "/ws/device-status", "/ws/alerts"})
