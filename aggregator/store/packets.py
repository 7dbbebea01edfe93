"""Packet samples: headers kept as examples of what was seen."""

from collections.abc import Sequence

from aggregator.store.database import Statement
from aggregator.store.reported import Reported, columns
from contract.messages import PacketSample


def save_packets(reported: Sequence[Reported[PacketSample]]) -> Statement:
    """Add samples."""
    return Statement("save_packets", columns(reported, *PacketSample.__struct_fields__))
