"""Packet samples: headers kept as examples of what was seen."""

from collections.abc import Sequence

import msgspec

from aggregator.store.database import Statement
from aggregator.store.history import History, back_to
from aggregator.store.reported import Reported, columns
from contract.messages import PacketSample


class PacketRow(msgspec.Struct, frozen=True):
    """One sample as it is kept."""

    id: int
    device_id: str
    captured_ns: int
    src_mac: str
    dst_mac: str
    src_ip: str | None
    dst_ip: str | None
    src_port: int
    dst_port: int
    protocol: str
    packet_bytes: int
    ttl: int
    flags: str
    label: str
    confidence: float
    received_ns: int


class PacketFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which samples; what is None does not matter."""

    device_id: str | None = None
    protocol: str | None = None
    is_malicious: bool | None = None
    src_ip: str | None = None
    dst_ip: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None


class _Count(msgspec.Struct, frozen=True):
    count: int


def save_packets(reported: Sequence[Reported[PacketSample]]) -> Statement:
    """Add samples."""
    return Statement("save_packets", columns(reported, *PacketSample.__struct_fields__))


async def find_packets(
    history: History, organization: str, wanted: PacketFilter, *, limit: int, skip: int
) -> list[PacketRow]:
    """Return samples of an organization, newest first."""
    parameters = _sought(organization, wanted) | {"limit": limit, "skip": skip}
    since_ns = back_to(wanted.since_ns, wanted.until_ns)
    return await history.read("packets", parameters, PacketRow, since_ns=since_ns)


async def count_packets(history: History, organization: str, wanted: PacketFilter) -> int:
    """Return how many samples of an organization there are."""
    since_ns = back_to(wanted.since_ns, wanted.until_ns)
    sought = _sought(organization, wanted)
    return (await history.read("count_packets", sought, _Count, since_ns=since_ns))[0].count


def _sought(organization: str, wanted: PacketFilter) -> dict[str, object]:
    return {"organization": organization} | msgspec.structs.asdict(wanted)
