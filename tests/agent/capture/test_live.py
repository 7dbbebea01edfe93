"""Live sources on real interfaces, in namespaces."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from agent.capture import LATE_NS
from agent.capture.bpf import compile_filter
from agent.capture.pcap import PcapReader, write_frames
from agent.capture.ring import MAX_FRAMES, RingSource
from agent.capture.scapy_source import ScapySource
from agent.errors import CaptureError
from agent.records import NO_VLAN, SNAP_BYTES
from tests.agent.capture.wires import (
    Seen,
    Wire,
    frame,
    ip,
    number_of,
    read_frames,
    read_until,
    seen,
    tagged,
)
from tests.tools import require

Open = Callable[..., RingSource | ScapySource]
Wires = tuple[Wire, ...]


def ring(interfaces: Sequence[str], bpf: str = "", frames: int = 1000) -> RingSource:
    return RingSource(interfaces, frames, bpf)


def by_scapy(interfaces: Sequence[str], bpf: str = "", frames: int = 1000) -> ScapySource:
    return ScapySource(interfaces, bpf, frames)


every_source = pytest.mark.parametrize("open_source", [ring, by_scapy])
# One of them waits for all, which run in one go.
pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]


@every_source
def test_frames_arrive_with_port_time_and_length(wires: Wires, open_source: Open) -> None:
    with open_source([wire.port for wire in wires]) as source:
        assert source.ports == ("lan0", "lan1")
        assert not source.finished
        assert len(source.read()) == 0
        began_ns = time.time_ns()
        for number in range(50):
            wires[number % 2].send(frame(number, 60 + number))
        found = read_frames(source, 50)
        ended_ns = time.time_ns()
    assert [each.frame for each in found] == [frame(number, 60 + number) for number in range(50)]
    assert [each.port for each in found] == [0, 1] * 25
    assert [each.wire_bytes for each in found] == list(range(60, 110))
    times = [each.time_ns for each in found]
    assert times == sorted(times)
    assert began_ns - 1000 <= times[0]  # scapy tells times in floats
    assert times[-1] <= ended_ns


@every_source
def test_long_frames_are_kept_as_far_as_decode_looks(wires: Wires, open_source: Open) -> None:
    wire, _ = wires
    lengths = (SNAP_BYTES - 1, SNAP_BYTES, SNAP_BYTES + 1, 1500)
    with open_source([wire.port]) as source:
        wire.send(*(frame(1, length) for length in lengths))
        found = read_frames(source, len(lengths))
    assert [each.wire_bytes for each in found] == list(lengths)
    assert [each.frame for each in found] == [frame(1, length)[:SNAP_BYTES] for length in lengths]


@every_source
def test_vlan_tags_are_seen(wires: Wires, open_source: Open) -> None:
    wire, _ = wires
    frames = [tagged(frame(1), 0x2005), frame(2), tagged(tagged(frame(3), 7), 0)]
    with open_source([wire.port]) as source:
        wire.send(*frames)
        found = read_frames(source, 3)
    assert [each.frame for each in found] == frames
    assert [each.wire_bytes for each in found] == [64, 60, 68]
    if open_source is ring:  # scapy puts them back by itself
        assert [each.vlan_tci for each in found] == [0x2005, NO_VLAN, 0]


def test_evidence_of_tagged_frames_has_its_tags_again(wires: Wires, tmp_path: Path) -> None:
    wire, _ = wires
    with ring([wire.port]) as source:
        wire.send(tagged(frame(1), 0x2005), frame(2))
        source.wait(0.05)
        write_frames(tmp_path / "evidence.pcap", [source.read()])
    with PcapReader(tmp_path / "evidence.pcap") as reader:
        found = [each for batch in reader for each in seen(batch)]
    assert [each.frame for each in found] == [tagged(frame(1), 0x2005), frame(2)]
    assert [each.wire_bytes for each in found] == [64, 60]


@every_source
def test_a_frame_through_several_ports_is_seen_once_where_it_came_in(
    wires: Wires, open_source: Open
) -> None:
    with open_source([wire.port for wire in wires]) as source:
        wires[0].send(frame(1))
        wires[1].send_back(frame(1))
        wires[1].send(frame(2))
        found = read_frames(source, 2) + read_frames(source, 1)
    assert [(each.port, number_of(each)) for each in found] == [(0, 1), (1, 2)]


@every_source
def test_a_single_interface_shows_both_directions(wires: Wires, open_source: Open) -> None:
    wire, _ = wires
    with open_source([wire.port]) as source:
        wire.send(frame(1))
        wire.send_back(frame(2))
        found = read_frames(source, 2)
    assert [number_of(each) for each in found] == [1, 2]


@every_source
def test_a_filter_chooses_frames(wires: Wires, open_source: Open) -> None:
    require("tcpdump", package="tcpdump")
    wire, _ = wires
    with open_source([wire.port], "ether proto 0x88b5 and ether[17] & 1 = 0") as source:
        wire.send(*(frame(number) for number in range(10)))
        found = read_frames(source, 6)
    assert [number_of(each) for each in found] == [0, 2, 4, 6, 8]


@every_source
def test_every_frame_is_either_read_or_counted_as_dropped(wires: Wires, open_source: Open) -> None:
    wire, _ = wires
    with open_source([wire.port], "", 240) as source:
        for burst in range(3):
            wire.send(*(frame(burst * 1000 + number) for number in range(1000)))
        time.sleep(0.3)  # for scapy's thread
        found = read_until(source, lambda found: len(found) >= 3000)
        dropped = source.dropped()
        assert source.dropped() == dropped
    assert all(name.endswith("lan0") for name in dropped)
    assert sum(dropped.values()) > 0
    assert len(found) + sum(dropped.values()) == 3000


def test_nothing_is_lost_or_swapped_when_the_ring_goes_round(wires: Wires) -> None:
    found = []
    with ring([wire.port for wire in wires], "", 240) as source:
        for burst in range(60):
            for number in range(100):
                wires[number % 2].send(frame(burst * 100 + number))
            found += seen(source.read())
        assert set(source.dropped().values()) == {0}
    assert [number_of(each) for each in found] == list(range(6000))
    assert [each.port for each in found] == [0, 1] * 3000


def test_a_flooded_port_is_sampled_and_the_others_are_not(wires: Wires) -> None:
    with ring([wire.port for wire in wires], "", 4000) as source:
        wires[0].send(*(frame(number) for number in range(3900)))
        wires[1].send(*(frame(number) for number in range(50)))
        found = seen(source.read())
        assert source.sampled_one_in == (2, 1)
        dropped = source.dropped()
    ports = [each.port for each in found]
    assert ports.count(1) == 50
    # of one flow, as all these frames are, the first of them
    assert 0 < ports.count(0) < 3900 / 2
    assert dropped["sampled_out_lan0"] == 3900 - ports.count(0)
    assert sum(dropped.values()) == dropped["sampled_out_lan0"]
    kept = [number_of(each) for each in found if each.port == 0]
    assert kept == list(range(len(kept)))


def test_a_source_says_until_when_it_is_complete(wires: Wires) -> None:
    wire, _ = wires
    with ring([wire.port]) as source:
        began_ns = time.time_ns()
        source.read()
        assert began_ns - LATE_NS <= source.complete_until_ns <= time.time_ns() - LATE_NS
        wire.send(frame(1))
        read_frames(source, 1)
        assert source.complete_until_ns == 0


def test_younger_frames_of_a_quiet_port_wait_for_the_older_of_a_flooded_one(wires: Wires) -> None:
    with ring([wire.port for wire in wires], "", 30_000) as source:
        wires[0].send(*(frame(number) for number in range(MAX_FRAMES + 100)))
        wires[1].send(frame(99_999))
        first, second = seen(source.read()), seen(source.read())
    assert (len(first), len(second)) == (MAX_FRAMES, 101)
    assert (second[-1].port, number_of(second[-1])) == (1, 99_999)


def test_waiting_ends_early_when_the_ring_fills(wires: Wires) -> None:
    wire, _ = wires
    with ring([wire.port], "", 240) as source:
        began_s = time.monotonic()
        source.wait(0.1)
        wire.send(frame(1))
        source.wait(0.1)
        assert time.monotonic() - began_s >= 0.2
        wire.send(*(frame(number) for number in range(100)))
        source.wait(30)
        assert time.monotonic() - began_s < 10


@every_source
def test_a_link_that_goes_down_comes_back(wires: Wires, open_source: Open) -> None:
    wire, _ = wires
    with open_source([wire.port]) as source:
        ip("link", "set", wire.port, "down")
        source.wait(0.15)
        assert len(source.read()) == 0
        ip("link", "set", wire.port, "up")

        def heard(found: list[Seen]) -> bool:
            wire.send(frame(1))  # dropped while the kernel has yet to notice that the link is up
            return bool(found)

        assert number_of(read_until(source, heard)[0]) == 1


@every_source
def test_an_interface_that_vanishes_is_an_error(wires: Wires, open_source: Open) -> None:
    wire, _ = wires
    with open_source([wire.port]) as source:
        ip("link", "delete", wire.device)
        with pytest.raises(CaptureError, match="lan0: "):
            read_frames(source, 1)


@every_source
def test_an_interface_that_does_not_exist_is_an_error(wires: Wires, open_source: Open) -> None:
    with pytest.raises(CaptureError, match="nowhere: no such interface; there are lo"):
        open_source([wires[0].port, "nowhere"])


@every_source
def test_closing_twice_is_fine(wires: Wires, open_source: Open) -> None:
    with open_source([wires[0].port]) as source, closing(source):
        pass


@pytest.mark.parametrize("source", ["ring.RingSource", "scapy_source.ScapySource"])
def test_without_permission_the_error_says_what_to_do(source: str) -> None:
    module, name = source.split(".")
    program = f"from agent.capture.{module} import {name}; {name}(['lo'])"
    setpriv = str(require("setpriv", package="util-linux"))
    ran = subprocess.run(
        [setpriv, "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "CaptureError: no permission to capture: run as root" in ran.stderr


@every_source
def test_a_filter_that_makes_no_sense_is_an_error(wires: Wires, open_source: Open) -> None:
    require("tcpdump", package="tcpdump")
    with pytest.raises(CaptureError, match=r"(?i)filter"):
        open_source([wires[0].port], "no such words")


def test_a_filter_needs_tcpdump(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_more: None)
    with pytest.raises(CaptureError, match="apt install tcpdump"):
        compile_filter("arp")
