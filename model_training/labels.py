"""Labels of frames: which attack each frame belongs to, and whether its sender is to blame."""

import csv
import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.records import I64, U64, Bool
from contract.attacks import CLASSES, Label
from model_training.captures import Capture, Entry
from model_training.errors import ManifestError

I8 = NDArray[np.int8]

UNKNOWN: Final = -1  # neither surely benign nor surely one class
BENIGN_INDEX: Final = 0
BOTNET_INDEX: Final = CLASSES.index("Botnet")
SCAN_INDEX: Final = CLASSES.index("Scan")
REPLAY_INDEX: Final = CLASSES.index("Replay")

_CLASSES: Final[dict[str, Label]] = {"DoS": "DOS", **{name: name for name in CLASSES}}
UNLABELLED: Final = "unlabelled"

# A victim's part in an attack: its sender is not to blame.
_REACTIONS: Final = ("_response", "flood_backscatter", "intercepted_to_attacker")
# What no header tells from something else: a worm's password guessing is both Botnet and
# BruteForce, file transfers and polling of one service look honest, and in a bounce scan the
# scanned FTP server is the one that scans. Neither side of these teaches anything.
_AMBIGUOUS: Final = (
    "mirai_telnet_bruteforce",
    "c2_upload_exe",
    "lateral_file_move",
    "modbus_device_characterisation",
    "nmap_b",
)
# What a device does after it was taken over: whoever sends it is to blame.
_TURNED: Final = ("mirai_cnc", "mirai_http_flood")
# Wrong only because another DHCP server is at work.
_RIVAL: Final = "rogue_dhcp_server"

_MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_IP: Final = re.compile(
    r"(?<![\d.:])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])|[0-9a-f]*:[0-9a-f:]*::?[0-9a-f]*"
)
_MAPPED_IPV4: Final = 0xFFFF << 32


class FrameLabels(msgspec.Struct, frozen=True, eq=False):
    """One row per frame, every column of shape (n,)."""

    label: I8  # index into CLASSES, or UNKNOWN
    reaction: Bool  # sent by a victim
    turned: Bool  # sent by a device that was taken over
    rival: Bool  # an attack only beside another DHCP server


class Parties(msgspec.Struct, frozen=True):
    """Who attacks and who suffers, as integers; empty where the manifest does not know."""

    attacker_macs: frozenset[int]
    attacker_ips: frozenset[tuple[int, int]]  # high and low half
    victim_ips: frozenset[tuple[int, int]]

    @property
    def attacker_is_known(self) -> bool:
        """Whether blame can be laid on an address."""
        return bool(self.attacker_macs or self.attacker_ips)


def read_frame_labels(capture: Capture, frames: int) -> FrameLabels:
    """Return the labels of a capture's frames.

    Args:
        capture: With a labels file, or of a single class.
        frames: How many frames the capture has.

    Raises:
        ManifestError: The labels file is malformed, or does not have one row per frame.
    """
    if capture.labels_path is None:
        rows: list[tuple[str, str]] = [(capture.entry.classes[0], "")] * frames
    else:
        rows = list(_read_rows(capture.labels_path))
    if len(rows) != frames:
        message = f"{capture.path}: {frames} frames, but {len(rows)} labels"
        raise ManifestError(message)
    return FrameLabels(
        np.array([class_index(name, sub) for name, sub in rows], np.int8),
        np.array([sub.endswith(_REACTIONS) for _, sub in rows], np.bool_),
        np.array([sub in _TURNED for _, sub in rows], np.bool_),
        np.array([sub == _RIVAL for _, sub in rows], np.bool_),
    )


def class_index(name: str, sub: str) -> int:
    """Return the place of a manifest's class in CLASSES, or UNKNOWN.

    Raises:
        ManifestError: The class does not exist.
    """
    if name == UNLABELLED or sub in _AMBIGUOUS:
        return UNKNOWN
    if name == "Botnet" and "bruteforce" in sub:
        name = "BruteForce"  # older manifests file password guessing under Botnet
    if name not in _CLASSES:
        message = f"unknown class `{name}` in a labels file"
        raise ManifestError(message)
    return CLASSES.index(_CLASSES[name])


def read_parties(entry: Entry) -> Parties:
    """Return whom the manifest's free text names: addresses that are forged or random do not count."""
    macs = {mac for one in entry.attackers for mac in _MAC.findall(one.get("mac", "").lower())}
    ips = [ip for one in entry.attackers for ip in _ips(one.get("ip", ""))]
    victims = [ip for text in entry.victims if "c2" not in text.lower() for ip in _ips(text)]
    return Parties(
        frozenset(int(mac.replace(":", ""), 16) for mac in macs),
        frozenset(ips),
        frozenset(victims),
    )


def ip_halves(text: str) -> tuple[int, int]:
    """Return an address as two 64-bit halves, an IPv4 address mapped into IPv6."""
    address = ipaddress.ip_address(text)
    number = int(address) | _MAPPED_IPV4 if address.version == 4 else int(address)  # noqa: PLR2004
    return number >> 64, number & (2**64 - 1)


def _ips(text: str) -> Iterator[tuple[int, int]]:
    """Yield the addresses of a text, but not of parts like `10.0.0.1 = MTU` that name a bystander."""
    for part in text.split(","):
        if "=" in part:
            continue
        for found in _IP.findall(part):
            try:
                halves = ip_halves(found)
            except ValueError:
                continue
            if halves != (0, _MAPPED_IPV4):
                yield halves


def _read_rows(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                yield row["class"], row.get("sub") or ""
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        message = f"{path}: no labels file: {error!r}"
        raise ManifestError(message) from error


def is_one_of(high: U64, low: U64, addresses: frozenset[tuple[int, int]]) -> Bool:
    """Tell for each address, given in two halves, whether it is one of a few."""
    found = np.zeros(len(low), np.bool_)
    for one_high, one_low in addresses:
        found |= (high == np.uint64(one_high)) & (low == np.uint64(one_low))
    return found


def is_one_mac(mac: U64, addresses: frozenset[int]) -> Bool:
    """Tell for each MAC whether it is one of a few."""
    return np.isin(mac, np.array(sorted(addresses), np.uint64))


def count_per_class(labels: I8, rows: I64, row_count: int) -> I64:
    """Return how many frames of each class each row has, shape (row_count, classes)."""
    width = len(CLASSES)
    flat = np.bincount(rows * width + labels, minlength=row_count * width)
    return flat.reshape(row_count, width)
