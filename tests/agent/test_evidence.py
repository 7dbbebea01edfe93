import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scapy.layers.l2 import Dot1Q
from scapy.utils import PcapReader

from agent.evidence import MAX_FILES, MAX_SNIPPET_FRAMES, Evidence
from agent.records import FrameBatch
from contract.codec import encode
from contract.messages import EVIDENCE_PART_BYTES, MAX_EVIDENCE_BYTES, Envelope
from tests.agent.builders import ANN, BOB, EVE, START_S, raw_batch, tcp

SECOND_NS = 1_000_000_000
ALWAYS_NS = 0


def frames(source, target, count: int = 1, at_s: int = 0) -> FrameBatch:
    begin_ns = (START_S + at_s) * SECOND_NS
    times = [begin_ns + number * 1_000_000 for number in range(count)]
    return raw_batch([bytes(tcp(source, target))] * count, times)


def kept(folder: Path, name: str = "a") -> list[Any]:
    with PcapReader(str(folder / f"{name}.pcap")) as reader:
        return list(reader)


def test_the_snippet_holds_the_frames_from_and_to_the_suspect_and_no_others(tmp_path):
    evidence = Evidence(tmp_path)
    for source, target in ((EVE, ANN), (ANN, BOB), (BOB, EVE)):
        evidence.append(frames(source, target))
    digest = evidence.keep("a", EVE.mac_number, ALWAYS_NS)
    assert [(packet.src, packet.dst) for packet in kept(tmp_path)] == [
        (EVE.mac, ANN.mac),
        (BOB.mac, EVE.mac),
    ]
    assert digest == hashlib.sha256((tmp_path / "a.pcap").read_bytes()).hexdigest()


def test_times_are_kept_to_the_nanosecond_and_older_frames_left_out(tmp_path):
    evidence = Evidence(tmp_path)
    times = [START_S * SECOND_NS + offset for offset in (1, 123_456_789)]
    evidence.append(raw_batch([bytes(tcp(EVE, ANN))] * 2, times))
    evidence.keep("a", EVE.mac_number, since_ns=times[1])
    (packet,) = kept(tmp_path)
    assert int(packet.time * SECOND_NS) == times[1]


def test_a_vlan_tag_that_the_kernel_took_off_is_there_again(tmp_path):
    evidence = Evidence(tmp_path)
    evidence.append(raw_batch([bytes(tcp(EVE, ANN))], vlan_tci=42))
    evidence.keep("a", EVE.mac_number, ALWAYS_NS)
    (packet,) = kept(tmp_path)
    assert packet[Dot1Q].vlan == 42


def test_of_a_large_buffer_only_what_the_frames_need_is_kept(tmp_path):
    evidence, captured = Evidence(tmp_path), frames(EVE, ANN)
    buffer = np.concatenate([captured.data, np.zeros(1_000_000, np.uint8)])
    evidence.append(
        FrameBatch(buffer, *(getattr(captured, n) for n in captured.__struct_fields__[1:]))
    )
    assert sum(held.data.nbytes for held in evidence._ring) == captured.data.nbytes
    assert evidence.keep("a", EVE.mac_number, ALWAYS_NS) is not None
    assert kept(tmp_path)[0].src == EVE.mac


def test_a_flood_pushes_out_the_oldest_and_memory_stays_within_its_bound(tmp_path):
    evidence = Evidence(tmp_path, max_ring_bytes=100_000)
    evidence.append(frames(BOB, ANN))
    for second in range(100):
        evidence.append(frames(EVE, ANN, 100, at_s=second))
    assert sum(held.data.nbytes for held in evidence._ring) <= 100_000
    assert evidence.keep("bob", BOB.mac_number, ALWAYS_NS) is None
    evidence.keep("eve", EVE.mac_number, ALWAYS_NS)
    times = [packet.time for packet in kept(tmp_path, "eve")]
    assert times == sorted(times)
    assert times[-1] > START_S + 99


def test_a_snippet_holds_the_newest_frames_up_to_its_bound(tmp_path):
    evidence = Evidence(tmp_path)
    evidence.append(frames(EVE, ANN, MAX_SNIPPET_FRAMES))
    evidence.append(frames(EVE, ANN, 500, at_s=10))
    evidence.keep("a", EVE.mac_number, ALWAYS_NS)
    packets = kept(tmp_path)
    assert len(packets) == MAX_SNIPPET_FRAMES
    assert sum(packet.time > START_S + 9 for packet in packets) == 500


def test_a_snippet_of_large_frames_still_fits_what_the_wire_takes(tmp_path):
    evidence = Evidence(tmp_path)
    frame = bytes(tcp(EVE, ANN)) + bytes(9000)
    for second in range(6):
        times = [(START_S + second) * SECOND_NS + number for number in range(100)]
        evidence.append(raw_batch([frame] * 100, times))
    evidence.keep("a", EVE.mac_number, ALWAYS_NS)
    size = (tmp_path / "a.pcap").stat().st_size
    assert MAX_EVIDENCE_BYTES - 2 * len(frame) < size <= MAX_EVIDENCE_BYTES
    assert kept(tmp_path)[-1].time > START_S + 5


def test_what_was_kept_is_sent_in_parts_that_make_it_whole(tmp_path):
    evidence, name = Evidence(tmp_path), "ab" * 16
    evidence.append(frames(EVE, ANN, MAX_SNIPPET_FRAMES))
    digest = evidence.keep(name, EVE.mac_number, ALWAYS_NS)
    parts = evidence.parts(name)
    data = b"".join(part.data for part in parts)
    assert data == (tmp_path / f"{name}.pcap").read_bytes()
    assert {(part.alert_id, part.sha256, part.parts) for part in parts} == {(name, digest, 2)}
    assert [(part.part, len(part.data)) for part in parts[:1]] == [(0, EVIDENCE_PART_BYTES)]
    for part in parts:
        encode(Envelope(boot="0" * 16, seq=1, floor=1, message=part))


def test_of_what_is_not_kept_any_more_there_are_no_parts(tmp_path):
    assert Evidence(tmp_path).parts("ab" * 16) == []


def test_frames_too_short_for_an_address_belong_to_nobody(tmp_path):
    evidence = Evidence(tmp_path)
    evidence.append(raw_batch([b"", b"\x02", bytes(tcp(EVE, ANN))[:13]]))
    evidence.append(raw_batch([]))
    assert evidence.keep("a", EVE.mac_number, ALWAYS_NS) is None
    assert list(tmp_path.iterdir()) == []


def test_there_are_never_more_files_than_the_bound_and_the_newest_stay(tmp_path, monkeypatch):
    monkeypatch.setattr("agent.evidence.MAX_FILES", 3)
    evidence = Evidence(tmp_path / "evidence")
    evidence.append(frames(EVE, ANN))
    for number in range(6):
        evidence.keep(f"{number}", EVE.mac_number, ALWAYS_NS)
    assert sorted(path.stem for path in (tmp_path / "evidence").iterdir()) == ["3", "4", "5"]
    assert MAX_FILES > 3


def test_a_disk_that_refuses_costs_the_evidence_and_nothing_else(tmp_path, caplog):
    (tmp_path / "file").touch()
    evidence = Evidence(tmp_path / "file" / "folder")
    evidence.append(frames(EVE, ANN))
    assert evidence.keep("a", EVE.mac_number, ALWAYS_NS) is None
    assert [record.getMessage() for record in caplog.records] == ["evidence_lost"]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_however_frames_arrive_the_snippet_is_the_same(tmp_path, size):
    whole, pieces = Evidence(tmp_path), Evidence(tmp_path)
    taken = frames(EVE, ANN, 100)
    whole.append(taken)
    for first in range(0, 100, size):
        rows = np.arange(first, min(first + size, 100))
        columns = (getattr(taken, name)[rows] for name in taken.__struct_fields__[1:])
        pieces.append(FrameBatch(taken.data, *columns))
    arguments = (EVE.mac_number, ALWAYS_NS)
    assert pieces.keep("pieces", *arguments) == whole.keep("whole", *arguments)
