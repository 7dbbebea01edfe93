"""Decoding agrees with the slow reader and with scapy on recorded frames.

A sample by default. All frames of all captures, in some minutes:

    EDGEWARDEN_EVERY=1 pytest -m captures tests/agent/test_decode_captures.py --timeout 0
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scapy.layers.dns import DNS
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

from agent.capture.pcap import read_frames
from agent.decode import Status, decode
from agent.records import FrameBatch
from tests.agent.builders import chosen
from tests.agent.scapy_decode import Fields, by_scapy
from tests.agent.slow_decode import COLUMNS, SlowDecoder

EVERY = int(os.environ.get("EDGEWARDEN_EVERY", "0"))

pytestmark = pytest.mark.captures


def frames_of(captures: Path, every: int) -> Iterator[tuple[bytes, int, Fields]]:
    """Yield each `every`th frame of all captures: its bytes, its length, and what decode says."""
    seen = 0
    for path in sorted(captures.rglob("*.pcap*")):
        if path.suffix == ".csv":
            continue
        for frames in read_frames(path):
            yield from sampled(chosen(frames, slice(-seen % every, None, every)))
            seen += len(frames)


def sampled(frames: FrameBatch) -> Iterator[tuple[bytes, int, Fields]]:
    packets = decode(frames)
    columns = {name: getattr(packets, name).tolist() for name in COLUMNS}
    for row, (at, size) in enumerate(zip(frames.offset, frames.captured_bytes, strict=True)):
        frame = frames.data[at : at + size].tobytes()
        yield frame, int(frames.wire_bytes[row]), {n: c[row] for n, c in columns.items()}


def test_recorded_frames_are_read_like_the_slow_reader_reads_them(captures: Path) -> None:
    count = 0
    for frame, wire, found in frames_of(captures, EVERY or 40):
        assert found == SlowDecoder(frame, wire).fields, frame.hex()
        count += 1
    assert count > 10_000


def comparable(frame: bytes, wire: int, found: Fields) -> bool:
    """Tell whether scapy can be asked: it takes what was cut off for the end."""
    splits = found["ip_version"] == 4 and frame[16:18] == b"\0\0"  # by the network card
    return found["status"] == Status.OK and len(frame) == wire and not splits


def test_recorded_frames_are_read_like_scapy_reads_them(captures: Path) -> None:
    count = 0
    for frame, wire, found in frames_of(captures, EVERY or 500):
        if comparable(frame, wire, found):
            assert found == expected(frame, found), frame.hex()
            count += 1
    assert count > 500


def expected(frame: bytes, found: Fields) -> Fields:
    packet = Ether(frame)
    said = by_scapy(packet)
    if IP in packet and packet[IP].frag == 0 and "MF" in packet[IP].flags:
        said["payload_bytes"] = found["payload_bytes"]
    if 53 not in {found["src_port"], found["dst_port"]}:  # scapy takes more ports for DNS
        said |= {"dns_id": 0, "dns_flags": 0, "dns_at": 0}
    elif DNS not in packet:  # malformed
        said |= {name: found[name] for name in ("dns_id", "dns_flags", "dns_at")}
    return said


def test_most_recorded_frames_can_be_read(captures: Path) -> None:
    statuses = [found["status"] for _, _, found in frames_of(captures, EVERY or 40)]
    assert np.mean(np.array(statuses) == Status.OK) > 0.999
