"""What is fast: our path from a file to feature vectors and scapy's readers, in one run.

Both read the bundled capture, unpacked, from the page cache, in one process and one thread.
Read the ratios: the absolute numbers belong to the machine.
"""

import gzip
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import scapy.layers.all  # noqa: F401  (a reader dissects only what was imported)
from scapy.utils import PcapReader as DissectingReader
from scapy.utils import RawPcapReader

from agent.capture.pcap import PcapReader
from agent.observe import Observer

CAPTURE = Path(__file__).parent.parent / "agent" / "demo" / "home-lan.pcap.gz"
LEAST_S = 2.0  # how long each reader is measured, in whole passes over the file
REFERENCE = "scapy RawPcapReader, frames only"


def features(path: Path) -> int:
    """Frames to feature vectors, as replay, live operation and training do.

    The bundled capture is a quiet network: most of this is the cost of closing a window for
    every second of it, not of its packets.
    """
    observer = Observer()
    with PcapReader(path) as reader:
        for frames in reader:
            observer.feed(frames)
    observer.flush()
    return observer.frames


def frames_only(path: Path) -> int:
    """Our reader alone."""
    with PcapReader(path) as reader:
        return sum(len(batch) for batch in reader)


def scapy_raw(path: Path) -> int:
    """Frames out of the file as bytes; nothing is decoded."""
    with RawPcapReader(str(path)) as reader:
        return sum(1 for _ in reader)


def scapy_dissected(path: Path) -> int:
    """Every layer decoded, which is what most scripts on scapy do."""
    with DissectingReader(str(path)) as reader:
        return sum(1 for _ in reader)


READERS: dict[str, Callable[[Path], int]] = {
    "edgewarden, frames only": frames_only,
    "edgewarden, feature vectors": features,
    REFERENCE: scapy_raw,
    "scapy PcapReader, dissected": scapy_dissected,
}


def packets_per_s(read: Callable[[Path], int], path: Path) -> float:
    """Measure whole passes over a file by the CPU time that they take."""
    read(path)  # imports and page cache
    packets, started_s = 0, time.process_time()
    while (took_s := time.process_time() - started_s) < LEAST_S:
        packets += read(path)
    return packets / took_s


def main() -> int:
    """Print packets per second of CPU time, and how that compares."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture.pcap"
        with gzip.open(CAPTURE) as packed, path.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
        measured = {name: packets_per_s(read, path) for name, read in READERS.items()}
    print(f"{'':34}{'packets/s':>12}{'ratio':>9}")
    for name, speed in measured.items():
        print(f"{name:34}{speed:12,.0f}{speed / measured[REFERENCE]:8.2f}x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
