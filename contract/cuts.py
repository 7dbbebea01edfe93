"""How small a cut can be: the part of a host's traffic that an isolation takes away."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from contract.identifiers import IpAddress, MacAddress

SLOWED_TO: Final = 20  # packets a second that a host may still send when it is slowed down

PartKind = Literal["rate", "flow", "pair"]
CutKind = Literal["rate", "flow", "pair", "host", "port"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What of a host is cut off; an isolation without it cuts off all of it.

    `rate`: what it sends beyond SLOWED_TO packets a second. `pair`: all between it and one peer.
    `flow`: what it sends to one peer at one TCP or UDP port. The peer is a MAC, or an IP where it
    is behind a router or the host is an IP itself.
    """

    kind: PartKind
    peer_mac: MacAddress | None = None
    peer_ip: IpAddress | None = None
    protocol: Literal["tcp", "udp"] | None = None  # of a flow
    port: Annotated[int, Meta(ge=0, le=65535)] | None = None  # of a flow, at the peer


def cut_kind(part: Part | None, *, whole_port: bool) -> CutKind:
    """Return the one word for what an isolation cuts off.

    Args:
        part: Of the isolation.
        whole_port: It names a bridge port and nobody behind it.
    """
    if part is not None:
        return part.kind
    return "port" if whole_port else "host"
