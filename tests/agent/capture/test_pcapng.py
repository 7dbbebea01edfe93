"""What only pcapng files have: kinds of blocks, sections, named interfaces, clocks and link types of each."""

import struct
from pathlib import Path

import pytest

from agent.capture.pcap import PcapReader
from agent.errors import CaptureError
from tests.agent.capture import files
from tests.agent.capture.files import START_NS, Sight, read, sights

FRAMES = sights(40)
ORDERS = ("<", ">")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "it.bin"


@pytest.mark.parametrize("order", ORDERS)
def test_every_kind_of_packet_block_is_read_and_others_are_skipped(path: Path, order: str) -> None:
    one, two = FRAMES[:2]
    content = (
        files.section(order)
        + files.interface(order, snap_bytes=64)
        + files.block(4, bytes(50), order)
        + files.enhanced(START_NS // 1000, one, order, options=bytes.fromhex("00010004") + b"text")
        + files.block(0x0BAD, bytes((1 << 21) + 5), order)
        + files.obsolete(START_NS // 1000 + 5, two, order)
        + files.simple(Sight(0, two.frame[:64], len(two.frame)), order)
        + files.block(0x80000001, bytes(8), order)
    )
    later_ns = START_NS + 5000
    assert read(path, content).sights == [
        Sight(START_NS, one.frame, one.wire_bytes),
        Sight(later_ns, two.frame, two.wire_bytes),
        Sight(later_ns, two.frame[:64], len(two.frame)),
    ]


def test_sections_of_both_byte_orders_follow_each_other(path: Path) -> None:
    content = files.pcapng(FRAMES, order=">") + files.pcapng(FRAMES) + files.pcapng([], order=">")
    assert read(path, content) == (FRAMES + FRAMES, ("if0",), None)


def test_interfaces_are_bridge_ports_with_their_names(path: Path) -> None:
    def named(name: bytes) -> bytes:
        return files.interface(options=((2, name),))

    frame = FRAMES[0]
    on = [files.enhanced(START_NS // 1000, frame._replace(port=port)) for port in range(3)]
    content = files.section() + named(b"lan1\0") + named(b"\x1b[31m" + b"x" * 99)
    content += files.interface() + b"".join(on)
    content += files.section() + named(b"lan1") + named(b"wlan0") + on[0] + on[1]
    found, ports, _ = read(path, content)
    assert ports == ("lan1", "?[31m" + "x" * 27, "if2", "wlan0")
    assert [sight.port for sight in found] == [0, 1, 2, 0, 3]


def test_the_257th_interface_ends_the_capture(path: Path) -> None:
    packet = files.enhanced(START_NS // 1000, FRAMES[0]._replace(port=255))
    content = files.section() + files.interface() * 256 + packet
    assert [sight.port for sight in read(path, content).sights] == [255]
    found, ports, truncated = read(path, content + files.interface() + packet)
    assert (len(found), len(ports)) == (1, 256)
    assert truncated is not None
    assert "too many" in truncated


@pytest.mark.parametrize(
    ("resolution", "offset_s", "ticks", "time_ns"),
    [
        (6, 0, 1_500_000, 1_500_000_000),
        (9, 0, 1_500_000_000, 1_500_000_000),
        (3, 7, 1_500, 8_500_000_000),
        (0, 0, 3, 3_000_000_000),
        (12, 0, 1_500_000_000_999, 1_500_000_000),
        (12, 1, 1_500_000_000_999, 2_500_000_000),
        (30, 0, 2**64 - 1, 0),
        (127, 5, 2**64 - 1, 5_000_000_000),
        (0x80 | 10, 0, 1024 + 512, 1_500_000_000),
        (0x80 | 32, 0, (3 << 32) + 1, 3_000_000_000),
        (0x80 | 63, 0, 2**63 + 2**62, 1_500_000_000),
        (0x80 | 64, 0, 2**63, 500_000_000),
        (0x80 | 127, 1, 2**64 - 1, 1_000_000_000),
        (0x80 | 0, 0, 2, 2_000_000_000),
        (9, 0, 2**64 - 1, 2**63 - 1),
        (6, 0, 2**64 - 1, 2**63 - 1),
        (0, 0, 2**64 - 1, 2**63 - 1),
        (9, 2**63 - 1, 0, 2**63 - 1),
        (9, -(2**63), 2**63 - 1, 0),
        (6, -1, 1_500_000, 500_000_000),
        (9, 9223372036, 854775808, 2**63 - 1),
        (9, 9223372036, 854775806, 2**63 - 2),
    ],
)
def test_ticks_are_exact_in_every_resolution_and_clamped(
    path: Path, resolution: int, offset_s: int, ticks: int, time_ns: int
) -> None:
    options = (9, bytes([resolution])), (14, struct.pack("<q", offset_s))
    content = files.section() + files.interface(options=options) + files.enhanced(ticks, FRAMES[0])
    assert read(path, content).sights[0].time_ns == time_ns


PAYLOAD = bytes.fromhex("45") + bytes(range(1, 60))
PAYLOAD6 = bytes.fromhex("60") + bytes(range(1, 60))
MAC = bytes.fromhex("020000000001")
ETHERNET_IPV4 = bytes(12) + b"\x08\x00"
ETHERNET_IPV6 = bytes(12) + b"\x86\xdd"
COOKED = struct.pack(">HHH", 0, 1, 6) + MAC + bytes(2) + b"\x08\x06"
COOKED_OTHER = struct.pack(">HHH", 0, 1, 8) + bytes(range(8)) + b"\x08\x06"
COOKED2 = struct.pack(">HHIHBB", 0x0806, 0, 3, 1, 4, 6) + MAC + bytes(2)


@pytest.mark.parametrize(
    ("linktype", "frame", "as_ethernet"),
    [
        (101, PAYLOAD, ETHERNET_IPV4 + PAYLOAD),
        (12, PAYLOAD6, ETHERNET_IPV6 + PAYLOAD6),
        (14, b"", b""),
        (228, PAYLOAD, ETHERNET_IPV4 + PAYLOAD),
        (101, bytes(30), bytes(14 + 30)),
        (0, struct.pack("<I", 2) + PAYLOAD, ETHERNET_IPV4 + PAYLOAD),
        (0, struct.pack(">I", 30) + PAYLOAD6, ETHERNET_IPV6 + PAYLOAD6),
        (108, struct.pack(">I", 24) + PAYLOAD6, ETHERNET_IPV6 + PAYLOAD6),
        (108, struct.pack(">I", 7) + PAYLOAD, bytes(14) + PAYLOAD),
        (113, COOKED + PAYLOAD, bytes(6) + MAC + b"\x08\x06" + PAYLOAD),
        (113, COOKED_OTHER + PAYLOAD, bytes(12) + b"\x08\x06" + PAYLOAD),
        (113, COOKED[:15], b""),
        (276, COOKED2 + PAYLOAD, bytes(6) + MAC + b"\x08\x06" + PAYLOAD),
    ],
)
def test_other_link_headers_become_ethernet_headers(
    path: Path, linktype: int, frame: bytes, as_ethernet: bytes
) -> None:
    captured = Sight(START_NS, frame, len(frame) + 1000)
    grown = len(as_ethernet) - len(frame) if as_ethernet else 0
    wanted = [Sight(START_NS, as_ethernet, len(frame) + 1000 + grown)] * 3
    assert read(path, files.classic([captured] * 3, linktype=linktype)).sights == wanted
    ng = files.section() + files.interface(linktype=linktype, snap_bytes=len(frame))
    ng += files.enhanced(START_NS // 1000, captured) + files.simple(captured) * 2
    assert read(path, ng).sights == wanted
    simple_first = files.section() + files.interface(linktype=linktype, snap_bytes=len(frame))
    assert read(path, simple_first + files.simple(captured)).sights == [
        wanted[0]._replace(time_ns=0)
    ]


def test_interfaces_of_several_link_types_mix(path: Path) -> None:
    raw = Sight(START_NS, PAYLOAD, len(PAYLOAD), 1)
    plain = Sight(START_NS, FRAMES[0].frame, FRAMES[0].wire_bytes, 0)
    ticks = START_NS // 1000
    content = files.section() + files.interface() + files.interface(linktype=101)
    content += (files.enhanced(ticks, raw) + files.enhanced(ticks, plain)) * 5
    as_ethernet = ETHERNET_IPV4 + PAYLOAD
    wanted = [Sight(START_NS, as_ethernet, len(as_ethernet), 1), plain]
    assert read(path, content).sights == wanted * 5


def test_a_foreign_interface_matters_only_when_it_has_frames(path: Path) -> None:
    content = files.section() + files.interface() + files.interface(linktype=189)
    content += files.enhanced(START_NS // 1000, FRAMES[0]) * 3
    assert len(read(path, content).sights) == 3
    path.write_bytes(content + files.enhanced(START_NS // 1000, FRAMES[0]._replace(port=1)))
    with PcapReader(path) as reader:
        batches = iter(reader)
        assert len(next(batches)) == 3
        with pytest.raises(CaptureError, match=r"link type 189 \(USB\)"):
            next(batches)
