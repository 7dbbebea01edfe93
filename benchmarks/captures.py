"""The captures that everybody is measured on: made once, by seed, and kept in .cache/bench."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from agent.capture.columns import parts_of
from agent.capture.pcap import read_frames, write_frames
from agent.decode import decode
from agent.records import FrameBatch
from benchmarks.applications import TEMPLATES
from benchmarks.frames import Packets, joined, write_packets
from benchmarks.traffic import network, port_scan, syn_flood

ROOT: Final = Path(__file__).parent.parent
CACHE: Final = ROOT / ".cache" / "bench"
BUNDLED: Final = ROOT / "agent" / "demo" / "home-lan.pcap.gz"
REVISION: Final = 1  # of what is generated; another one makes the captures anew
PACKETS_PER_S: Final = 15_000.0
_HOSTS: Final = 60
_MILLION: Final = 1_000_000
_QUIET_PACKETS_PER_S: Final = 500.0
_QUIET_HOSTS: Final = 50
_REPEATED: Final = 30
ATTACK_BEGIN_S: Final = 5.0  # of the floods and the scan, after the first packet


def _mixed() -> Packets:
    home = network(1_400_000, _HOSTS, PACKETS_PER_S, seed=1)
    flood = syn_flood(80_000, 40.0, 20_000, seed=2)
    scan = port_scan(2_000, np.arange(5, 10), 70.0, 5_000)
    return joined([home, flood, scan])


def _flood(*, spoofs_macs: bool) -> Packets:
    quiet = network(10_000, _QUIET_HOSTS, _QUIET_PACKETS_PER_S, seed=3)
    flood = syn_flood(_MILLION, ATTACK_BEGIN_S, 100_000, seed=4, spoofs_macs=spoofs_macs)
    return joined([quiet, flood])


def _scan() -> Packets:
    quiet = network(20_000, _QUIET_HOSTS, _QUIET_PACKETS_PER_S, seed=5)
    return joined([quiet, port_scan(65_535, np.arange(5, 15), ATTACK_BEGIN_S, 40_000)])


def _network(packets: int, hosts: int, seed: int) -> Callable[[], Packets]:
    return partial(network, packets, hosts, PACKETS_PER_S, seed)


# Growth in time: the same network for longer. Growth in hosts: as many packets among more.
BY_PACKETS: Final = (10_000, 100_000, _MILLION)
BY_HOSTS: Final = (10, 100, 1_000, 10_000)
GENERATED: Final[dict[str, Callable[[], Packets]]] = {
    "mixed": _mixed,
    "syn_flood": partial(_flood, spoofs_macs=False),
    "syn_flood_macs": partial(_flood, spoofs_macs=True),
    "port_scan": _scan,
    "hosts_10000": _network(_MILLION, 10_000, 6),
    "tiny": _network(20, _HOSTS, 1),
    "quiet": partial(network, 60_000, _QUIET_HOSTS, _QUIET_PACKETS_PER_S, 8),
    **{f"growth_{count}_packets": _network(count, _HOSTS, 1) for count in BY_PACKETS},
    **{f"growth_{hosts}_hosts": _network(300_000, hosts, 6) for hosts in BY_HOSTS},
}


class Capture(msgspec.Struct, frozen=True):
    """A capture file and how much it holds."""

    name: str
    file: str
    packets: int
    seconds: float
    wire_bytes: int
    hosts: int  # source MACs

    @property
    def path(self) -> Path:
        """Where it lies."""
        return CACHE / self.file


def capture(name: str, most_packets: int | None = None) -> Capture:
    """Return a capture, whole or its first packets; what is missing is made in a process of its own.

    So that the memory that this takes is not found in what is measured later.
    """
    path = CACHE / f"{name}-{REVISION}{f'-{most_packets}' if most_packets else ''}.pcap"
    told = path.with_suffix(".json")
    if not told.exists():
        sys.stderr.write(f"making {path.name}\n")
        order = [sys.executable, "-m", "benchmarks.captures", name, str(path)]
        order += [str(most_packets)] if most_packets else []
        subprocess.run(order, cwd=ROOT, check=True)
    return msgspec.json.decode(told.read_bytes(), type=Capture)


def _make(name: str, path: Path, most_packets: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    if most_packets:
        write_frames(unfinished, _first(capture(name).path, most_packets))
    elif name == "bundled":
        write_frames(unfinished, _repeated(BUNDLED, _REPEATED))
    else:
        write_packets(unfinished, GENERATED[name](), TEMPLATES)
    unfinished.rename(path)
    told = msgspec.json.encode(_described(name, path))
    path.with_suffix(".json").write_bytes(told)


def _first(path: Path, packets: int) -> Iterator[FrameBatch]:
    for frames in read_frames(path):
        yield from parts_of(rows_of(frames, packets), len(frames))
        packets -= len(frames)
        if packets <= 0:
            return


def rows_of(frames: FrameBatch, count: int) -> FrameBatch:
    """Return the first frames of a batch."""
    names = FrameBatch.__struct_fields__[1:]
    return FrameBatch(frames.data, *(getattr(frames, name)[:count] for name in names))


def _repeated(path: Path, times: int) -> Iterator[FrameBatch]:
    """Yield a capture again and again, each time a second after the last one's end."""
    batches = list(read_frames(path))
    span_ns = int(batches[-1].time_ns[-1] - batches[0].time_ns[0]) + 1_000_000_000
    for turn in range(times):
        for frames in batches:
            later = frames.time_ns + turn * span_ns
            yield msgspec.structs.replace(frames, time_ns=later)


def _described(name: str, path: Path) -> Capture:
    count, wire_bytes, first_ns, last_ns = 0, 0, 0, 0
    senders: set[int] = set()
    for frames in read_frames(path):
        first_ns = first_ns or int(frames.time_ns[0])
        last_ns = int(frames.time_ns[-1])
        count += len(frames)
        wire_bytes += int(frames.wire_bytes.sum(dtype=np.int64))
        senders.update(np.unique(decode(frames).src_mac).tolist())
    seconds = (last_ns - first_ns) / 1e9
    return Capture(name, path.name, count, seconds, wire_bytes, len(senders))


if __name__ == "__main__":
    _, chosen, target, *most = sys.argv
    _make(chosen, Path(target), int(most[0]) if most else None)
