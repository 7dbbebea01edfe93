"""Kitsune on our captures, by its authors' own code: an anomaly score for each host and window.

Mirsky et al., Kitsune: An Ensemble of Autoencoders for Online Network Intrusion Detection, NDSS 2018.
Its code is fetched beside the project (github.com/ymirsky/Kitsune-py); none of it is part of it.
"""

import contextlib
import importlib
import multiprocessing
import os
import sys
import types
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from agent.addresses import ip_text, mac_text
from agent.capture.pcap import PcapReader
from agent.decode import decode
from agent.records import F32, F64, I64, PacketBatch
from model_training.captures import Capture
from model_training.dataset import recall
from model_training.errors import StepError
from model_training.labels import I8, read_frame_labels
from model_training.window_labels import owners

# Its Python takes a millisecond a packet, so that not every packet can be asked about.
LEARNED: Final = 1000  # packets of a capture at most, all from before its attack
JUDGED: Final = 3000  # of a capture at most, a quarter of them from before its attack
LEAST_LEARNED: Final = 200  # with fewer it has learned nothing
_MAPPED_SHARE: Final = (
    0.1  # of the learned ones: which features belong together, as its authors do
)
_TRAINED_SHARE: Final = 0.7  # then the autoencoders; the rest says what errors are usual
_MOST_AUTOENCODED: Final = 10  # features of one autoencoder, its authors' choice
_LEAST_SPREAD: Final = 0.1  # of the usual errors' logarithms
_TCP, _UDP, _ICMP = 6, 17, 1
_FILES: Final = ("netStat.py", "AfterImage.py", "KitNET/KitNET.py")


class Stretch(NamedTuple):
    """Which packets of a capture Kitsune sees: [0, learned) and then [begin, end)."""

    learned: int
    begin: int
    end: int


class Packet(NamedTuple):
    """A packet as Kitsune's own parser describes it."""

    ip_type: float  # 0, 1 for IPv6, NaN
    src_mac: str
    dst_mac: str
    src_ip: str
    src_service: str
    dst_ip: str
    dst_service: str
    wire_bytes: int
    time_s: float


def stretch(label: I8) -> Stretch | None:
    """Return what to show of a capture with these labels of frames; None where it cannot learn."""
    attacks = np.flatnonzero(label != 0)
    if not len(attacks):
        learned = min(len(label) // 2, LEARNED)
        begin = learned
    else:
        learned = min(int(attacks[0]), LEARNED)
        begin = max(learned, int(attacks[0]) - JUDGED // 4)
    if learned < LEAST_LEARNED:
        return None
    return Stretch(learned, begin, min(begin + JUDGED, len(label)))


def kitsune_scores(captures: Iterable[Capture], cache: Path, kitsune: Path) -> Iterator[F32]:
    """Yield for each capture how far each observation's packets are from what is usual there.

    The logarithm of Kitsune's error, in standard deviations of what it was before the attack; the mean
    over a host's packets of a window.

    Args:
        captures: In the dataset's order.
        cache: Where they are kept as observed.
        kitsune: The folder of its code.

    Yields:
        float32 of shape (observations,); NaN where Kitsune was not asked, or could not learn.

    Raises:
        StepError: The folder holds something else.
    """
    if missing := [name for name in _FILES if not (kitsune / name).is_file()]:
        message = f"{kitsune}: no Kitsune, there is no {missing[0]}"
        raise StepError(message)
    # A process of its own: its module names and what it sets in numpy stay there.
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawned, _prepare, (str(kitsune.resolve()),)) as pool:
        for capture in captures:
            observations, frames = recall(capture, cache)
            score = np.full(len(observations), np.nan, np.float32)
            shown = stretch(read_frame_labels(capture, len(frames)).label)
            if shown is not None:
                packets = list(_packets(capture, shown))
                errors = pool.submit(_errors, packets, shown.learned).result()
                owner = owners(observations, frames)[shown.begin : shown.end]
                _average(score, owner, _unusual(errors, shown))
            yield score


def _unusual(errors: F64, shown: Stretch) -> F64:
    """Return the judged packets' errors in standard deviations from the usual ones."""
    logarithms = np.log(np.maximum(errors, 1e-12))
    usual = logarithms[sum(_graces(shown.learned)) + 1 : shown.learned]
    away: F64 = (logarithms[shown.learned :] - usual.mean()) / max(usual.std(), _LEAST_SPREAD)
    return away


def _graces(learned: int) -> tuple[int, int]:
    """Return for how many packets features are mapped, and then autoencoders trained."""
    return int(learned * _MAPPED_SHARE), int(learned * _TRAINED_SHARE)


def _average(score: F32, owner: I64, unusual: F64) -> None:
    owned = owner >= 0
    count = np.bincount(owner[owned], minlength=len(score))
    total = np.bincount(owner[owned], unusual[owned], minlength=len(score))
    asked = count > 0
    score[asked] = (total[asked] / count[asked]).astype(np.float32)


def _packets(capture: Capture, shown: Stretch) -> Iterator[Packet]:
    at = 0
    with PcapReader(capture.path) as reader:
        for frames in reader:
            number = np.arange(at, at + len(frames))
            mine = (number < shown.learned) | ((number >= shown.begin) & (number < shown.end))
            yield from _described(decode(frames).take(mine))
            at += len(frames)
            if at >= shown.end:
                return


def _described(packets: PacketBatch) -> Iterator[Packet]:
    for row in range(len(packets)):
        one = {name: getattr(packets, name)[row] for name in packets.__struct_fields__}
        src_mac, dst_mac = (mac_text(int(one[name])) for name in ("src_mac", "dst_mac"))
        src_ip = ip_text(int(one["src_ip_high"]), int(one["src_ip_low"])) or ""
        dst_ip = ip_text(int(one["dst_ip_high"]), int(one["dst_ip_low"])) or ""
        src_service = dst_service = ""
        ip_type = {4: 0.0, 6: 1.0}.get(int(one["ip_version"]), float("nan"))
        if one["protocol"] in {_TCP, _UDP}:
            src_service, dst_service = str(one["src_port"]), str(one["dst_port"])
        elif one["arp_operation"]:
            src_service = dst_service = "arp"
            src_ip = ip_text(int(one["claim_ip_high"]), int(one["claim_ip_low"])) or ""
            dst_ip = ip_text(int(one["asked_ip_high"]), int(one["asked_ip_low"])) or ""
            ip_type = 0.0
        elif one["protocol"] == _ICMP:
            src_service = dst_service = "icmp"
        elif not src_ip + dst_ip:
            src_ip, dst_ip = src_mac or "", dst_mac or ""
        yield Packet(
            ip_type, src_mac or "", dst_mac or "", src_ip, src_service, dst_ip, dst_service,
            int(one["wire_bytes"]), int(one["time_ns"]) / 1e9,
        )  # fmt: skip


def _prepare(kitsune: str) -> None:
    """Make the child's Python fit what Kitsune was written for."""
    sys.path.insert(0, kitsune)
    compiler = types.ModuleType("pyximport")  # only asked to be there
    compiler.install = lambda: None  # type: ignore[attr-defined]
    sys.modules["pyximport"] = compiler
    np.Inf = np.inf  # type: ignore[attr-defined]  # the name until numpy 2


def _errors(packets: list[Packet], learned: int) -> F64:
    """Return Kitsune's error of each packet, 0 while it learns."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        statistics: Any = importlib.import_module("netStat").netStat(np.nan, 10**11, 10**11)
        detector: Any = importlib.import_module("KitNET.KitNET").KitNET(
            len(statistics.getNetStatHeaders()),
            _MOST_AUTOENCODED,
            *_graces(learned),
        )
        found = [detector.process(statistics.updateGetStats(*packet)) for packet in packets]
    return np.array(found, np.float64)
