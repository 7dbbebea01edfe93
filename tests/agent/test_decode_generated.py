"""Decoding agrees with scapy and with the slow reader on generated captures: whole, cut off and damaged.

A sample by default; every frame of the benchmark's captures, in hours:

    EDGEWARDEN_EVERY=1 pytest tests/agent/test_decode_generated.py --timeout 0
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scapy.layers.l2 import Ether

from agent.capture.pcap import read_frames
from agent.decode import Status, decode
from agent.records import NO_VLAN, SNAP_BYTES, FrameBatch
from benchmarks.applications import TEMPLATES
from benchmarks.captures import GENERATED
from benchmarks.frames import Packets, joined, write_packets
from benchmarks.traffic import network, port_scan, syn_flood
from tests.agent.builders import raw_batch
from tests.agent.scapy_decode import Fields, by_scapy
from tests.agent.slow_decode import COLUMNS, SlowDecoder

EVERY = int(os.environ.get("EDGEWARDEN_EVERY", "0"))
NAMES = ("mixed", "syn_flood", "syn_flood_macs", "port_scan", "hosts_10000")


def small() -> Packets:
    home = network(12_000, 60, 4_000.0, seed=11)
    floods = [syn_flood(1_000, 1.0, 2_000, seed=s, spoofs_macs=bool(s)) for s in (0, 1)]
    return joined([home, *floods, port_scan(500, np.arange(5, 8), 1.5, 3_000)])


@pytest.fixture(scope="module", params=NAMES if EVERY else ("small",))
def generated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("generated") / f"{request.param}.pcap"
    make = small if request.param == "small" else GENERATED[request.param]
    write_packets(path, make(), TEMPLATES)
    return path


def frames_of(path: Path, every: int) -> Iterator[bytes]:
    for frames in read_frames(path):
        for row in range(0, len(frames), every):
            at, size = int(frames.offset[row]), int(frames.captured_bytes[row])
            yield frames.data[at : at + size].tobytes()


def decoded(frames: FrameBatch) -> list[Fields]:
    packets = decode(frames)
    columns = {name: getattr(packets, name).tolist() for name in COLUMNS}
    return [{name: column[row] for name, column in columns.items()} for row in range(len(frames))]


def assert_as_by_slow_reader(blobs: list[bytes], wire_bytes: list[int] | None = None) -> None:
    frames = raw_batch(blobs)
    if wire_bytes is not None:
        columns = {name: getattr(frames, name) for name in FrameBatch.__struct_fields__}
        frames = FrameBatch(**columns | {"wire_bytes": np.array(wire_bytes, np.int32)})
    for row, found in enumerate(decoded(frames)):
        wire = int(frames.wire_bytes[row])
        assert found == SlowDecoder(blobs[row], wire, NO_VLAN).fields, blobs[row].hex()


def test_generated_frames_are_read_like_scapy_reads_them(generated: Path) -> None:
    blobs = list(frames_of(generated, EVERY or 20))
    kinds = set()
    for blob, found in zip(blobs, decoded(raw_batch(blobs)), strict=True):
        assert found["status"] == Status.OK
        said = by_scapy(Ether(blob))
        if 53 not in {found["src_port"], found["dst_port"]}:  # scapy takes more ports for DNS
            said |= {"dns_id": 0, "dns_flags": 0, "dns_at": 0}
        if found["fragment"] == 1:  # scapy takes the rest of a first fragment for its payload
            said["payload_bytes"] = found["payload_bytes"]
        assert found == said, blob.hex()
        kinds.add((found["ethertype"], found["protocol"], found["vlan_id"] >= 0))
    assert len(kinds) >= 5 or not generated.stem.startswith(("small", "mixed"))


def test_generated_frames_are_read_like_the_slow_reader_reads_them(generated: Path) -> None:
    assert_as_by_slow_reader(list(frames_of(generated, EVERY or 3)))


def test_generated_frames_that_were_cut_off_are_read_like_the_slow_reader_reads_them(
    generated: Path,
) -> None:
    drawn = np.random.default_rng(7)
    whole = list(frames_of(generated, EVERY or 3))
    cuts = drawn.integers(0, SNAP_BYTES, len(whole)).tolist()
    blobs = [blob[:cut] for blob, cut in zip(whole, cuts, strict=True)]
    assert_as_by_slow_reader(blobs, [len(blob) for blob in whole])


def test_generated_frames_that_were_damaged_are_read_like_the_slow_reader_reads_them(
    generated: Path,
) -> None:
    drawn = np.random.default_rng(8)
    blobs = []
    for blob in frames_of(generated, EVERY or 3):
        damaged = bytearray(blob)
        for _ in range(int(drawn.integers(1, 6))):
            damaged[int(drawn.integers(12, min(len(blob), 90)))] = int(drawn.integers(0, 256))
        blobs.append(bytes(damaged))
    assert_as_by_slow_reader(blobs)
