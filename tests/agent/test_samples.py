"""Packets that are told as examples: of hosts that attack, and now and then of another."""

import asyncio
import gzip
import io
import itertools
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapReader

from agent.app import run as agent_run
from agent.capture.player import Player
from agent.config import AgentConfig, SpoolConfig
from agent.evidence import Evidence
from agent.isolation.enforcer import guarded
from agent.samples import A_WINDOW, SECOND_NS
from agent.uplink.spool import Spool, new_boot
from contract.codec import decode_envelope
from contract.messages import Alert, AnyMessage, PacketSample, VerdictBatch
from tests.agent.builders import ANN, BOB, EVE, START_S, raw_batch, tcp

DEMO = Path(__file__).parent.parent.parent / "agent" / "demo" / "home-lan.pcap.gz"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[AnyMessage]:
    """What an agent tells that plays the demo."""
    path = tmp_path_factory.mktemp("samples") / "spool.sqlite"
    config = AgentConfig(spool=SpoolConfig(path=path))
    with Player(DEMO, 1000.0) as source:
        asyncio.run(agent_run(config, source, guarded(config), plays=True))
    with closing(Spool(path, config.spool.max_bytes, new_boot())) as spool:
        return [decode_envelope(row.payload).message for row in spool.pending(10_000)]


def samples(told: list[AnyMessage]) -> list[PacketSample]:
    return [each for each in told if isinstance(each, PacketSample)]


def test_each_attack_is_shown_by_packets_of_its_host(told: list[AnyMessage]) -> None:
    shown = {(each.label, each.src_mac) for each in samples(told) if each.label != "benign"}
    alerts = {(each.attack_type, each.src_mac) for each in told if isinstance(each, Alert)}
    assert alerts
    assert alerts <= shown


def test_there_are_never_more_than_a_few(told: list[AnyMessage]) -> None:
    """They come right behind verdicts, in the same transaction of the spool."""
    kinds = [type(each) for each in told]
    before = {kind for kind, then in itertools.pairwise(kinds) if then is PacketSample}
    assert before == {VerdictBatch, PacketSample}
    reports = kinds.count(VerdictBatch)
    benign = [each for each in samples(told) if each.label == "benign"]
    assert 0 < len(benign) <= reports
    windows = Counter(
        each.captured_ns // SECOND_NS for each in samples(told) if each.label != "benign"
    )
    assert max(windows.values()) <= A_WINDOW + 1  # and one more whose turn it is


def test_they_are_packets_of_the_capture_as_others_read_them(told: list[AnyMessage]) -> None:
    with gzip.open(DEMO) as file, RawPcapReader(io.BytesIO(file.read())) as reader:
        frames = {
            ((meta.sec * 1_000_000 + meta.usec) * 1000, data[:12]): (data, meta.wirelen)
            for data, meta in reader
        }
    compared = 0
    for each in samples(told):
        macs = bytes.fromhex(f"{each.dst_mac}{each.src_mac}".replace(":", ""))
        data, wire_bytes = frames[each.captured_ns, macs]
        packet = Ether(data)
        assert each.packet_bytes == wire_bytes
        if IP in packet:
            assert (each.src_ip, each.dst_ip) == (packet[IP].src, packet[IP].dst)
            assert each.ttl == packet[IP].ttl
        if TCP in packet:
            assert each.protocol == "tcp"
            assert sorted(each.flags) == sorted(str(packet[TCP].flags))
        for layer in (TCP, UDP):
            if layer in packet:
                compared += 1
                assert (each.src_port, each.dst_port) == (
                    packet[layer].sport,
                    packet[layer].dport,
                )
    assert compared


def test_the_newest_frames_of_a_host_within_a_time_are_found_and_no_others(
    tmp_path: Path,
) -> None:
    evidence = Evidence(tmp_path)
    begin_ns = START_S * SECOND_NS
    for second, sender in enumerate((EVE, EVE, BOB, EVE)):
        times = [begin_ns + second * SECOND_NS + number for number in range(3)]
        evidence.append(raw_batch([bytes(tcp(sender, ANN))] * 3, times))
    found = evidence.latest(EVE.mac_number, begin_ns, begin_ns + 3 * SECOND_NS, 2)
    assert found.time_ns.tolist() == [begin_ns + SECOND_NS + 1, begin_ns + SECOND_NS + 2]
    assert len(evidence.latest(ANN.mac_number, begin_ns, begin_ns + 9 * SECOND_NS, 2)) == 0
