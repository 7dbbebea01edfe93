"""Decoding agrees with scapy, field by field, and with a slow reader on whatever is broken."""

import random
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.layers.vrrp import VRRP
from scapy.packet import Packet, Raw

from agent.decode import MOST_DIGESTED_BYTES, Status, decode
from agent.records import NO_VLAN, SNAP_BYTES, FrameBatch, PacketBatch
from tests.agent.builders import chosen, raw_batch
from tests.agent.scapy_decode import Fields, by_scapy
from tests.agent.slow_decode import COLUMNS, SlowDecoder


def fields_of(packets: PacketBatch, row: int) -> Fields:
    return {name: int(getattr(packets, name)[row]) for name in COLUMNS}


def decoded(frame: Packet | bytes, vlan_tci: int = NO_VLAN) -> Fields:
    return fields_of(decode(raw_batch([bytes(frame)], vlan_tci=vlan_tci)), 0)


# --- against scapy


CLIENT, SERVER = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
HEAD = Ether(src=CLIENT, dst=SERVER)
IP4 = IP(src="192.168.1.10", dst="203.0.113.5", ttl=63)
IP6 = IPv6(src="2001:db8::10", dst="fe80::1:2:3:4", hlim=61)
NEAR = IPv6(src="fe80::10", dst="ff02::1", hlim=255)
SEGMENT = TCP(sport=40_000, dport=443, flags="PAEC", seq=0xFEDCBA98)
DATAGRAM = UDP(sport=40_001, dport=5000)
BODY = Raw(bytes(range(100)))

FRAMES: dict[str, Packet] = {
    "no network": Ether(src=CLIENT, dst=SERVER, type=0x88CC) / Raw(bytes(40)),
    "IEEE 802.3 length": Ether(src=CLIENT, dst=SERVER, type=38) / Raw(b"\x42\x42\x03" + bytes(35)),
    "ARP request": HEAD / ARP(op=1, hwsrc=CLIENT, psrc="192.168.1.10", pdst="192.168.1.1"),
    "ARP reply": HEAD / ARP(op=2, hwsrc=SERVER, psrc="192.168.1.1", pdst="192.168.1.10"),
    "ARP padded": HEAD / ARP(op=2, hwsrc=SERVER, psrc="1.2.3.4", pdst="0.0.0.0") / Raw(bytes(18)),  # noqa: S104
    "TCP": HEAD / IP4 / SEGMENT / BODY,
    "TCP without payload": HEAD / IP4 / TCP(flags="S", options=[("MSS", 1460), ("NOP", None)]),
    "TCP padded to 60 bytes": HEAD / IP4 / TCP(flags="A") / Raw(b""),
    "TCP with options": HEAD / IP4 / TCP(options=[("Timestamp", (1, 2)), ("SAckOK", b"")]) / BODY,
    "UDP": HEAD / IP4 / DATAGRAM / BODY,
    "UDP without payload": HEAD / IP4 / DATAGRAM,
    "ICMP": HEAD / IP4 / ICMP(type=3, code=13) / BODY,
    "IPv4 options": HEAD / IP(src="10.0.0.1", dst="10.0.0.2", options=IPOption_RR()) / SEGMENT,
    "IPv4 of another protocol": HEAD / IP(src="10.0.0.1", dst="10.0.0.2", proto=47) / BODY,
    "IPv4 first fragment": HEAD / IP(src="1.1.1.1", dst="2.2.2.2", flags="MF") / DATAGRAM / BODY,
    "IPv4 later fragment": HEAD / IP(src="1.1.1.1", dst="2.2.2.2", frag=185, proto=17) / BODY,
    "IPv4 last fragment": HEAD / IP(src="1.1.1.1", dst="2.2.2.2", frag=8191, proto=6) / BODY,
    "IPv6 TCP": HEAD / IP6 / SEGMENT / BODY,
    "IPv6 UDP": HEAD / IP6 / DATAGRAM / BODY,
    "IPv6 ICMP": HEAD / IP6 / ICMPv6EchoRequest(data=bytes(40)),
    "IPv6 nothing": HEAD / IPv6(src="::1", dst="::2", nh=59),
    "IPv6 chain": HEAD / IP6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting() / IPv6ExtHdrDestOpt() / SEGMENT / BODY,
    "IPv6 first fragment": HEAD / IP6 / IPv6ExtHdrFragment(m=1) / DATAGRAM / BODY,
    "IPv6 later fragment": HEAD / IP6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(offset=9, nh=17) / BODY,
    "ND solicitation": HEAD / NEAR / ICMPv6ND_NS(tgt="fe80::99"),
    "ND advertisement": HEAD / NEAR / ICMPv6ND_NA(tgt="2001:db8::99"),
    "router advertisement": HEAD / NEAR / ICMPv6ND_RA(routerlifetime=1800),
    "router of no way out": HEAD / NEAR / ICMPv6ND_RA(routerlifetime=0),
    "router from afar": HEAD / IPv6(src="fe80::1", dst="ff02::1", hlim=64) / ICMPv6ND_RA(routerlifetime=9),
    "VRRP": HEAD / IP(src="10.0.0.1", dst="224.0.0.18", ttl=255) / VRRP(priority=100, addrlist=["10.0.0.9"]),
    "VRRP resignation": HEAD / IP(src="10.0.0.1", dst="224.0.0.18", ttl=255) / VRRP(priority=0, addrlist=["10.0.0.9"]),
    "DNS query": HEAD / IP4 / UDP(sport=40_000, dport=53) / DNS(id=0xBEEF, qd=DNSQR(qname="a.example")),
    "DNS no such name": HEAD / IP4 / UDP(sport=53, dport=40_000) / DNS(id=7, qr=1, rcode=3, qd=DNSQR(qname="b")),
    "DNS over IPv6": HEAD / IP6 / UDP(sport=40_000, dport=53) / DNS(id=1, qd=DNSQR(qname="c")),
    "DHCP discover": HEAD / IP4 / UDP(sport=68, dport=67) / BOOTP(op=1, chaddr=b"\x02\0\0\0\0\x0a") / DHCP(options=["end"]),
    "DHCP offer": HEAD / IP4 / UDP(sport=67, dport=68) / BOOTP(op=2, chaddr=b"\x02\0\0\0\0\x0a"),
    "VLAN": HEAD / Dot1Q(vlan=77, prio=5) / IP4 / SEGMENT / BODY,
    "QinQ": Ether(src=CLIENT, dst=SERVER) / Dot1AD(vlan=4000) / Dot1Q(vlan=5) / IP6 / DATAGRAM / BODY,
    "four tags": HEAD / Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / Dot1Q(vlan=4) / IP4 / ICMP(),
    "VLAN ARP": HEAD / Dot1Q(vlan=9) / ARP(op=1, psrc="10.0.0.1", pdst="10.0.0.2"),
    "jumbo": HEAD / IP4 / SEGMENT / Raw(bytes(8000)),
}  # fmt: skip
# What scapy takes for encrypted.
AUTHENTICATED = HEAD / IP6 / AH(nh=17, payloadlen=4, spi=1, seq=2, icv=bytes(12)) / DATAGRAM / BODY
ALL = {**FRAMES, "IPv6 authenticated": AUTHENTICATED}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_every_field_is_what_scapy_says(frame: Packet) -> None:
    whole = Ether(bytes(frame))  # so that lengths and next headers are filled in
    assert decoded(whole) == by_scapy(whole) | {"status": Status.OK}


def test_what_follows_an_authentication_header_is_read() -> None:
    found = decoded(AUTHENTICATED)
    assert (found["protocol"], found["dst_port"], found["payload_bytes"]) == (17, 5000, 100)


def test_all_frames_of_a_batch_are_read_as_if_they_came_alone() -> None:
    frames = [bytes(frame) for frame in FRAMES.values()]
    packets = decode(raw_batch(frames))
    assert [fields_of(packets, row) for row in range(len(frames))] == [decoded(f) for f in frames]
    backwards = decode(chosen(raw_batch(frames), slice(None, None, -1)))
    assert fields_of(backwards, 0) == decoded(frames[-1])


# --- against the slow reader


def assert_as_by_slow_reader(frames: FrameBatch) -> None:
    packets = decode(frames)
    for row in range(len(frames)):
        first, size = int(frames.offset[row]), int(frames.captured_bytes[row])
        frame = frames.data[first : first + size].tobytes()
        slow = SlowDecoder(frame, int(frames.wire_bytes[row]), int(frames.vlan_tci[row]))
        assert fields_of(packets, row) == slow.fields, frame.hex()
        assert (packets.payload_digest[row] > 0) == bool(slow.payload), frame.hex()


def test_the_slow_reader_agrees_with_scapy_too() -> None:
    for frame in FRAMES.values():
        whole = Ether(bytes(frame))
        assert SlowDecoder(bytes(whole)).fields == by_scapy(whole), whole.summary()


@pytest.mark.parametrize("frame", ALL.values(), ids=ALL.keys())
def test_a_frame_may_be_cut_off_after_any_byte(frame: Packet) -> None:
    whole = bytes(frame)[:SNAP_BYTES]
    pieces = raw_batch([whole[:size] for size in range(len(whole) + 1)])
    assert_as_by_slow_reader(pieces)


@pytest.mark.parametrize("name", ALL)
def test_any_byte_of_a_header_may_be_wrong(name: str) -> None:
    whole = bytes(ALL[name])[:120]
    drawn = random.Random(zlib.crc32(name.encode()))  # noqa: S311
    mutants = []
    for at in range(len(whole)):
        values = {0, 255, whole[at] ^ 1 << drawn.randrange(8), drawn.randrange(256)}
        mutants += [whole[:at] + bytes([value]) + whole[at + 1 :] for value in sorted(values)]
    assert_as_by_slow_reader(raw_batch(mutants))


@given(st.lists(st.binary(max_size=250), max_size=20), st.integers(0, 0xFFFF) | st.just(NO_VLAN))
def test_any_bytes_are_read_without_an_error(blobs: list[bytes], tci: int) -> None:
    assert_as_by_slow_reader(raw_batch(blobs, vlan_tci=tci))


SEEDS = [bytes(frame)[:SNAP_BYTES] for frame in ALL.values()]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    frame = bytearray(draw(st.sampled_from(SEEDS)))
    for at, value in draw(
        st.lists(st.tuples(st.integers(0, 191), st.integers(0, 255)), max_size=6)
    ):
        frame[min(at, len(frame) - 1)] = value
    return bytes(frame[: draw(st.integers(0, len(frame)))]) + draw(st.binary(max_size=30))


@given(st.lists(damaged(), min_size=1, max_size=10))
def test_damaged_frames_are_read_like_the_slow_reader_reads_them(frames: list[bytes]) -> None:
    assert_as_by_slow_reader(raw_batch(frames))


# --- lengths, and the batch itself


@pytest.mark.parametrize("wire", [0, 1, 33, 60, 2**31 - 1])
def test_the_wire_length_may_lie(wire: int) -> None:
    for frame in SEEDS:
        one = raw_batch([frame])
        lying = FrameBatch(
            **{name: getattr(one, name) for name in one.__struct_fields__ if name != "wire_bytes"},
            wire_bytes=np.array([wire], np.int32),
        )
        assert_as_by_slow_reader(lying)


def test_a_segment_without_length_of_a_splitting_network_card_has_that_of_the_wire() -> None:
    frame = bytearray(bytes(FRAMES["TCP"]))
    frame[16:18] = b"\0\0"
    assert decoded(bytes(frame))["payload_bytes"] == 100


def test_padding_of_short_frames_is_no_payload() -> None:
    frame = bytes(HEAD / IP4 / TCP(flags="A"))
    assert decoded(frame + bytes(60 - len(frame)))["payload_bytes"] == 0


def test_the_payload_of_a_long_frame_is_told_by_its_headers() -> None:
    assert decoded(FRAMES["jumbo"])["payload_bytes"] == 8000


def test_short_slots_of_a_live_ring_give_the_same_packets_as_a_file() -> None:
    frames = [bytes(frame) for frame in FRAMES.values()]
    whole, short = decode(raw_batch(frames)), decode(raw_batch(frames, snap=SNAP_BYTES))
    for name in PacketBatch.__struct_fields__:
        assert np.array_equal(getattr(whole, name), getattr(short, name)), name


def test_a_tag_that_the_kernel_took_off_is_the_outer_one() -> None:
    plain, inner = bytes(FRAMES["TCP"]), bytes(FRAMES["VLAN"])
    assert decoded(plain, vlan_tci=0xA00C)["vlan_id"] == 12
    assert decoded(inner, vlan_tci=0xA00C)["vlan_id"] == 12
    assert decoded(inner, vlan_tci=0)["vlan_id"] == 0


def test_equal_payloads_have_equal_digests_wherever_they_lie() -> None:
    carriers = [HEAD / IP4 / SEGMENT, HEAD / Dot1Q(vlan=2) / IP6 / DATAGRAM]
    for size in (1, 7, 8, 63, 64, 65, 90):
        body = bytes(range(7, 7 + size))
        digests = decode(raw_batch([bytes(c / Raw(body)) for c in carriers])).payload_digest
        assert digests[0] == digests[1]


def test_other_payloads_have_other_digests() -> None:
    bodies = [bytes(n) for n in range(1, 100)] + [bytes([n]) * 8 for n in range(1, 250)]
    bodies += [bytes(n) + b"\1" + bytes(60) for n in range(64)]
    digests = decode(raw_batch([bytes(HEAD / IP4 / DATAGRAM / Raw(b)) for b in bodies]))
    assert len(set(digests.payload_digest.tolist())) == len(set(bodies))


def published(message: bytes, *, qos: int = 0, behind: bytes = b"", port: int = 1883) -> bytes:
    said = b"\0\x0fhome/lamp/1/set" + (b"\x12\x34" if qos else b"") + message
    length = len(said)
    size = bytes([length]) if length < 128 else bytes([length & 0x7F | 0x80, length >> 7])
    body = bytes([0x30 | qos << 1]) + size + said + behind
    return bytes(HEAD / IP4 / TCP(sport=40_000, dport=port, flags="PA") / Raw(body))


def test_a_publication_is_alike_however_it_is_sent() -> None:
    for message in (b"on", b"x" * 70, b"x" * 300):
        ways = [
            published(message),
            published(message, qos=1),
            published(message, qos=2, behind=b"\xe0\0"),
            published(message, behind=b"\xe0\0"),
        ]
        assert len(set(decode(raw_batch(ways)).payload_digest.tolist())) == 1


def test_other_publications_differ() -> None:
    ways = [published(b"on"), published(b"off"), published(b"x" * 70), published(b"x" * 71)]
    ways += [published(b"on", port=1884), published(b"on", port=1884, qos=1)]
    assert len(set(decode(raw_batch(ways)).payload_digest.tolist())) == len(ways)


def test_long_payloads_have_no_digest() -> None:
    sizes = (MOST_DIGESTED_BYTES, MOST_DIGESTED_BYTES + 1)
    digests = decode(raw_batch([bytes(HEAD / IP4 / DATAGRAM / Raw(bytes(s))) for s in sizes]))
    assert (digests.payload_digest > 0).tolist() == [True, False]


def test_what_lies_behind_a_frame_in_the_buffer_does_not_matter() -> None:
    frames = [bytes(frame) for frame in FRAMES.values()]
    one = raw_batch(frames)
    noise = np.random.default_rng(3).integers(0, 256, 5000, dtype=np.uint8)
    fields = {name: getattr(one, name) for name in one.__struct_fields__ if name != "data"}
    noisy = decode(FrameBatch(data=np.concatenate([one.data, noise]), **fields))
    quiet = decode(one)
    for name in PacketBatch.__struct_fields__:
        assert np.array_equal(getattr(quiet, name), getattr(noisy, name)), name


def test_nothing_gives_nothing() -> None:
    assert len(decode(raw_batch([]))) == 0
    assert decoded(b"")["status"] == Status.SHORT_FRAME
