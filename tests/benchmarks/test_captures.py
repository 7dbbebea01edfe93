"""The captures that everybody is measured on: seeded, well-formed, of the size that was asked for."""

from pathlib import Path

import numpy as np
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import RawPcapReader

from agent.capture.pcap import read_frames
from agent.decode import Status, decode
from agent.flows import TCP as TCP_PROTOCOL
from agent.records import PacketBatch
from benchmarks.applications import APPLICATIONS, TEMPLATES
from benchmarks.frames import IPV6, Packets, joined, write_packets
from benchmarks.traffic import ATTACKER_MAC, network, port_scan, syn_flood

PACKETS, HOSTS, RATE = 20_000, 60, 5_000.0
SYN, RST_ACK = 2, 20


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("captures") / "network.pcap"
    write_packets(path, network(PACKETS, HOSTS, RATE, seed=3), TEMPLATES)
    return path


def decoded(path: Path) -> PacketBatch:
    batches = [decode(frames) for frames in read_frames(path)]
    names = PacketBatch.__struct_fields__
    return PacketBatch(*(np.concatenate([getattr(b, name) for b in batches]) for name in names))


def packets_of(path: Path, packets: Packets) -> PacketBatch:
    write_packets(path, packets, TEMPLATES)
    return decoded(path)


def test_a_capture_has_as_many_packets_as_asked_for_and_all_can_be_read(written: Path):
    packets = decoded(written)
    assert len(packets) == PACKETS
    assert (packets.status == Status.OK).all()
    assert (np.diff(packets.time_ns) >= 0).all()


def test_its_rate_is_the_one_asked_for(written: Path):
    time_ns = decoded(written).time_ns
    assert PACKETS / (time_ns[-1] - time_ns[0]) * 1e9 == pytest.approx(RATE, rel=0.1)


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(written: Path):
    again, other = written.with_name("again.pcap"), written.with_name("other.pcap")
    write_packets(again, network(PACKETS, HOSTS, RATE, seed=3), TEMPLATES)
    write_packets(other, network(PACKETS, HOSTS, RATE, seed=4), TEMPLATES)
    assert again.read_bytes() == written.read_bytes()
    assert other.read_bytes() != written.read_bytes()


def test_every_kind_of_packet_of_every_application_occurs():
    used = np.unique(network(PACKETS, HOSTS, RATE, seed=3).template)
    scripted = {step.template for application in APPLICATIONS for step in application.steps}
    assert set(used.tolist()) == scripted
    assert sum(application.share for application in APPLICATIONS) == pytest.approx(1.0)


def test_there_are_tags_fragments_and_both_versions_of_ip(written: Path):
    packets = decoded(written)
    assert set(np.unique(packets.fragment).tolist()) == {0, 1, 2}
    assert set(np.unique(packets.ip_version).tolist()) == {0, 4, 6}
    assert (packets.vlan_id == 20).any()
    assert len(np.unique(packets.src_mac)) == HOSTS - 1  # one host hears and never speaks


def checked(packet: Packet) -> list[tuple[type[Packet], str]]:
    """Return the layers that have a checksum, and its name."""
    names = {IP: "chksum", TCP: "chksum", UDP: "chksum", ICMP: "chksum"}
    names |= {ICMPv6ND_NS: "cksum", ICMPv6ND_NA: "cksum"}
    return [(layer, name) for layer, name in names.items() if layer in packet]


def checksums(packet: Packet) -> list[int]:
    return [getattr(packet[layer], name) for layer, name in checked(packet)]


def test_every_checksum_is_what_scapy_computes(written: Path):
    template = network(PACKETS, HOSTS, RATE, seed=3).template
    kinds, rows = np.unique(template, return_index=True)
    whole = {row for kind, row in zip(kinds, rows, strict=True) if not TEMPLATES[kind].fragment}
    with RawPcapReader(str(written)) as reader:
        frames = [frame for row, (frame, _) in enumerate(reader) if row in whole]
    assert len(frames) == len(whole)
    for packet in map(Ether, frames):
        told = checksums(packet)
        for layer, name in checked(packet):
            delattr(packet[layer], name)
        assert checksums(Ether(bytes(packet))) == told, packet.summary()


def test_a_session_counts_its_bytes_as_tcp_does(written: Path):
    packets = decoded(written)
    keys = np.stack([packets.src_ip_low, packets.dst_ip_low, packets.src_port, packets.dst_port])
    syn = np.flatnonzero((packets.tcp_flags == SYN) & (packets.protocol == TCP_PROTOCOL))[:50]
    for first in syn.tolist():
        rows = np.flatnonzero((keys == keys[:, first, None]).all(axis=0))
        flags = packets.tcp_flags[rows]
        length = packets.payload_bytes[rows] + (flags & 3 > 0)
        expected = packets.tcp_sequence[rows[0]] + np.concatenate([[0], np.cumsum(length)[:-1]])
        assert (packets.tcp_sequence[rows] == expected.astype(np.uint32)).all()


def test_a_flood_comes_from_one_host_and_a_new_address_each_time(tmp_path: Path):
    packets = packets_of(tmp_path / "flood.pcap", syn_flood(50_000, 1.0, 10_000, seed=2))
    assert len(np.unique(packets.src_ip_low)) == len(packets) == 50_000
    assert (packets.tcp_flags == SYN).all()
    assert np.unique(packets.src_mac).tolist() == [ATTACKER_MAC]


def test_a_flood_may_spoof_its_macs_as_well(tmp_path: Path):
    flood = syn_flood(50_000, 1.0, 10_000, seed=2, spoofs_macs=True)
    assert len(np.unique(packets_of(tmp_path / "flood.pcap", flood).src_mac)) == 50_000


def test_a_million_spoofed_sources_are_a_million():
    assert len(np.unique(syn_flood(1_000_000, 0.0, 1e5, seed=4).src_ip)) == 1_000_000


def test_a_scan_asks_every_port_of_every_target_and_is_refused(tmp_path: Path):
    packets = packets_of(tmp_path / "scan.pcap", port_scan(300, np.arange(5, 8), 0.0, 10_000))
    asked = packets.tcp_flags == SYN
    assert asked.sum() == (packets.tcp_flags == RST_ACK).sum() == 900
    probes = set(zip(packets.dst_ip_low[asked], packets.dst_port[asked], strict=True))
    assert len(probes) == 900


def test_more_hosts_share_as_many_packets():
    many = network(PACKETS, 1_000, RATE, seed=3)
    assert len(many) == PACKETS
    assert len(np.unique(many.src_mac)) > 900


def test_packets_of_several_parts_come_in_the_order_of_time():
    together = joined([network(1_000, HOSTS, RATE, seed=1), syn_flood(1_000, 0.0, 1e4, seed=2)])
    assert len(together) == 2_000
    assert (np.diff(together.time_ns) >= 0).all()


def test_templates_of_ipv6_have_no_fragments():
    assert not [each for each in TEMPLATES if each.ethertype == IPV6 and each.fragment]
