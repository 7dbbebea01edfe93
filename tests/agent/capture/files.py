"""Capture files put together byte by byte, and what was read back from them."""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agent.capture.pcap import PcapReader
from agent.records import NO_VLAN, FrameBatch

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS
ETHERNET = 1
TICKS_A_SECOND = {0xA1B2C3D4: 10**6, 0xA1B23C4D: 10**9, 0xA1B2CD34: 10**6}


class Sight(NamedTuple):
    """A frame and all that is known of it."""

    time_ns: int
    frame: bytes
    wire_bytes: int
    port: int = 0


class Reading(NamedTuple):
    sights: list[Sight]
    ports: tuple[str, ...]
    truncated: str | None


def sights(count: int, first_bytes: int = 60) -> list[Sight]:
    """Frames of growing length, a millisecond apart; every second one was cut on capture."""
    found = []
    for index in range(count):
        frame = (bytes.fromhex("0200000000020200000000010800") + bytes(range(256)) * 6)[
            : first_bytes + 7 * index % 1400
        ]
        wire_bytes = len(frame) + 100 * (index % 2)
        found.append(Sight(START_NS + index * 1_000_000, frame, wire_bytes))
    return found


def classic(
    frames: list[Sight], *, order: str = "<", magic: int = 0xA1B2C3D4, linktype: int = ETHERNET
) -> bytes:
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, linktype)]
    for time_ns, frame, wire_bytes, _ in frames:
        second, rest = divmod(time_ns, SECOND_NS)
        ticks = rest * TICKS_A_SECOND[magic] // SECOND_NS
        parts += struct.pack(order + "IIII", second, ticks, len(frame), wire_bytes), frame
        if magic == 0xA1B2CD34:
            parts.insert(-1, struct.pack(order + "IHBB", 3, 0x0800, 0, 0))
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    padded = body + bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(padded) + 12)
    return struct.pack(order + "I", kind) + size + padded + size


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(
    order: str = "<",
    *,
    linktype: int = ETHERNET,
    snap_bytes: int = 0,
    options: tuple[tuple[int, bytes], ...] = (),
) -> bytes:
    body = struct.pack(order + "HHI", linktype, 0, snap_bytes)
    for code, value in options:
        body += struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)
    return block(1, body + (bytes(4) if options else b""), order)


def enhanced(ticks: int, sight: Sight, order: str = "<", *, options: bytes = b"") -> bytes:
    lengths = len(sight.frame), sight.wire_bytes
    head = struct.pack(order + "IIIII", sight.port, ticks >> 32, ticks & 0xFFFFFFFF, *lengths)
    return block(6, head + sight.frame + bytes(-len(sight.frame) % 4) + options, order)


def obsolete(ticks: int, sight: Sight, order: str = "<") -> bytes:
    lengths = len(sight.frame), sight.wire_bytes
    times = ticks >> 32, ticks & 0xFFFFFFFF
    return block(
        2, struct.pack(order + "HHIIII", sight.port, 9, *times, *lengths) + sight.frame, order
    )


def simple(sight: Sight, order: str = "<") -> bytes:
    return block(3, struct.pack(order + "I", sight.wire_bytes) + sight.frame, order)


def pcapng(frames: list[Sight], order: str = "<") -> bytes:
    """A section with as many interfaces as the frames name, and microseconds."""
    ports = max((sight.port for sight in frames), default=0) + 1
    blocks = [enhanced(sight.time_ns // 1000, sight, order) for sight in frames]
    return section(order) + interface(order) * ports + b"".join(blocks)


def seen(batches: list[FrameBatch]) -> list[Sight]:
    found = []
    for batch in batches:
        assert (batch.vlan_tci == NO_VLAN).all()
        columns = (batch.time_ns, batch.offset, batch.captured_bytes, batch.wire_bytes)
        ports = batch.bridge_port.tolist()
        for row, port in zip(zip(*(c.tolist() for c in columns), strict=True), ports, strict=True):
            time_ns, offset, captured, wire_bytes = row
            frame = batch.data[offset : offset + captured].tobytes()
            found.append(Sight(time_ns, frame, wire_bytes, port))
    return found


def read(path: Path, content: bytes | None = None, batch_frames: int = 16_384) -> Reading:
    """Read a file, after writing it where its content is given."""
    if content is not None:
        path.write_bytes(content)
    with PcapReader(path, batch_frames) as reader:
        batches = list(reader)
        for batch in batches:
            assert_sound(batch, len(reader.ports))
        return Reading(seen(batches), reader.ports, reader.truncated)


def assert_sound(batch: FrameBatch, ports: int) -> None:
    dtypes = [getattr(batch, name).dtype for name in batch.__struct_fields__]
    assert dtypes == [np.uint8, np.int64, np.int32, np.int32, np.int64, np.int16, np.int32]
    assert {len(getattr(batch, name)) for name in batch.__struct_fields__[1:]} == {len(batch)}
    assert (batch.offset >= 0).all()
    assert (batch.captured_bytes >= 0).all()
    assert (batch.offset + batch.captured_bytes <= len(batch.data)).all()
    assert (batch.wire_bytes >= 0).all()
    assert (batch.time_ns >= 0).all()
    assert ((batch.bridge_port >= 0) & (batch.bridge_port < ports)).all()
