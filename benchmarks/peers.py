"""Who is measured: ours in three depths, and every peer with its command, version and need."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import suricata
from benchmarks.captures import CACHE, Capture

OURS: Final = "edgewarden"
PEERS_PYTHON: Final = CACHE / "peers" / "bin" / "python"
WORKERS: Final = Path(__file__).parent / "workers"
_INSTALL: Final = "benchmarks/install-peers.sh"
_OUTPUT: Final = CACHE / "output"  # what peers write
_SYSTEM_FOLDERS: Final = "/usr/local/sbin:/usr/sbin:/sbin"


class Peer(msgspec.Struct, frozen=True):
    """A program that reads a capture.

    Attributes:
        name: As the table has it.
        does: What it makes of the packets.
        command: How it is run on a capture.
        version: What it is; raises where it is not there.
        missing: Why it cannot run and what to do, or None.
        most_packets: It is so slow that it gets only so many.
        counted: A pattern for the numbers in its output that add up to the packets it saw.
    """

    name: str
    does: str
    command: Callable[[Capture], list[str]]
    version: Callable[[], str]
    missing: Callable[[], str | None]
    most_packets: int | None = None
    counted: str | None = r'"packets": ?(\d+)'


def _program(name: str) -> str:
    """Return a program's path, also from where an ordinary user does not look."""
    path = f"{os.environ.get('PATH', '')}:{_SYSTEM_FOLDERS}"
    return shutil.which(name, path=path) or name


def _needs(path: str) -> Callable[[], str | None]:
    fix = f"{Path(path).name} is not installed: run {_INSTALL}"
    return lambda: None if Path(path).is_absolute() else fix


def _says(command: list[str], pattern: str) -> Callable[[], str]:
    def version() -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = re.search(pattern, done.stdout + done.stderr)
        return found.group(1) if found else "?"

    return version


def _ours(stage: str, does: str) -> Peer:
    name = OURS if stage == "verdicts" else f"{OURS}, {stage} only"
    module = ["-m", "benchmarks.workers.ours", stage]
    return Peer(
        name,
        does,
        lambda capture: [sys.executable, *module, str(capture.path)],
        lambda: importlib.metadata.version("edgewarden"),
        lambda: None,
    )


def _debian(
    name: str,
    does: str,
    arguments: str,
    version: tuple[str, str],
) -> Peer:
    """Describe a program of Debian's; FILE stands for the capture, `version` is a flag and a pattern."""
    path = _program(name.split(maxsplit=1)[0].rstrip(","))

    def command(capture: Capture) -> list[str]:
        return [
            path,
            *(str(capture.path) if each == "FILE" else each for each in arguments.split()),
        ]

    says = _says([path, version[0]], version[1])
    return Peer(name, does, command, says, _needs(path), counted=None)


def _python(name: str, does: str, worker: list[str], most_packets: int | None = None) -> Peer:
    library = name.split(maxsplit=1)[0]
    script = str(WORKERS / worker[0])
    told = f"from importlib.metadata import version; print(version({library!r}))"
    return Peer(
        name,
        does,
        lambda capture: [str(PEERS_PYTHON), script, *worker[1:], str(capture.path)],
        _says([str(PEERS_PYTHON), "-c", told], r"(\S+)"),
        lambda: None if PEERS_PYTHON.exists() else f"no Python peers: run {_INSTALL}",
        most_packets,
    )


def _suricata(name: str, does: str, *, writes_flows: bool) -> Peer:
    return Peer(
        name,
        does,
        suricata.command(writes_flows=writes_flows),
        _says(suricata.version_command(), r"version (\S+)"),
        suricata.missing,
        counted=r"(\d+) packets",
    )


def _kitsune(checkout: str | None) -> Peer:
    """Describe Kitsune's feature extraction; its code is the reader's own checkout."""
    worker = str(WORKERS / "kitsune_features.py")
    there = checkout is not None and (Path(checkout) / "FeatureExtractor.py").exists()
    fix = "kitsune is not there: KITSUNE=/path/to/checkout of Kitsune-py"
    return Peer(
        "kitsune features",
        "115 damped statistics a packet; no KitNET",
        lambda capture: [str(PEERS_PYTHON), worker, checkout or "", str(capture.path)],
        _says(
            ["git", "-C", checkout or ".", "log", "-1", "--format=%h %cs"], r"^([0-9a-f]{7,} \S+)"
        ),
        lambda: None if there and PEERS_PYTHON.exists() else fix,
        20_000,
    )


PEERS: Final = (
    _ours("verdicts", "frames, flows, features, scores, verdicts, alerts"),
    _ours("features", "frames, flows, feature vectors"),
    _ours("frames", "cuts the file into frames"),
    _debian(
        "tcpdump",
        "copies to /dev/null",
        "-r FILE -w /dev/null",
        ("--version", r"tcpdump version (\S+)"),
    ),
    msgspec.structs.replace(
        _debian(
            "softflowd",
            "flows, IPv6 too; exports nothing",
            f"-r FILE -6 -d -p {_OUTPUT}/softflowd.pid -c none",
            ("-h", r"version (\S+)\."),
        ),
        counted=r"Packets processed: (\d+)|Ignored packets: (\d+)",
    ),
    _debian(
        "nfpcapd",
        "flows to files",
        f"-r FILE -l {_OUTPUT}",
        ("-V", r"Version: (\S+)"),
    ),
    _debian(
        "argus",
        "flow records to /dev/null",
        "-r FILE -w /dev/null",
        ("-h", r"Version (\S+)"),
    ),
    _debian(
        "ndpiReader",
        "flows and applications; prints nothing",
        "-i FILE -q",
        ("-h", r"nDPI ([\d.]+)"),
    ),
    _suricata(
        "suricata, no output",
        "decodes, follows streams and applications; no rules",
        writes_flows=False,
    ),
    _suricata("suricata, flows", "the same, and flow records as JSON", writes_flows=True),
    _python(
        "nfstream", "flows with statistics and applications, one meter", ["nfstream_flows.py"]
    ),
    _python("dpkt", "headers in a Python loop", ["dpkt_headers.py"], 200_000),
    msgspec.structs.replace(
        _debian(
            "tshark",
            "dissects everything, prints four fields",
            "-n -r FILE -T fields -e frame.time_epoch -e ip.src -e ip.dst -e frame.len",
            ("--version", r"TShark \(Wireshark\) ([\d.]+)"),
        ),
        most_packets=200_000,
    ),
    _python("scapy RawPcapReader", "frames as bytes", ["scapy_frames.py", "raw"], 200_000),
    _python("scapy sniff(offline)", "dissects every layer", ["scapy_frames.py", "sniff"], 20_000),
    _kitsune(os.environ.get("KITSUNE")),
)
