"""Kitsune beside ours: what it is shown, whom its errors accuse, and how its threshold is chosen."""

import numpy as np
import pytest

from contract.attacks import CLASSES
from model_training.captures import read_captures
from model_training.errors import StepError
from model_training.kitsune import (
    JUDGED,
    LEARNED,
    LEAST_LEARNED,
    Stretch,
    kitsune_scores,
    stretch,
)
from model_training.params import ThresholdParams
from model_training.peers import compare
from tests.model_training.builders import frame, write_capture
from tests.model_training.datasets import certain, dataset

BUDGET = ThresholdParams(false_alerts_per_host_week=0.4, lowest=0.5, highest=0.9)
SCAN = CLASSES.index("Scan")

# The interface of Kitsune's modules; the error of a packet is the number of its port.
NET_STAT = """
import pyximport
pyximport.install()
import numpy
class netStat:
    def __init__(self, lambdas, hosts, sessions): numpy.Inf
    def getNetStatHeaders(self): return ["port"]
    def updateGetStats(self, kind, src_mac, dst_mac, src_ip, src_port, dst_ip, dst_port, size, time):
        assert (src_mac, dst_ip, time > 1e9) == ("00:00:00:00:00:0" + src_ip[-1], "10.0.0.4", True)
        return float(dst_port)
"""
KITNET = """
class KitNET:
    def __init__(self, features, most, mapped, trained): self.learns = mapped + trained + 1
    def process(self, x):
        print("noise")
        self.learns -= 1
        return 0.0 if self.learns >= 0 else x
"""


def labels(benign: int, attack: int) -> np.ndarray:
    return np.array([0] * benign + [SCAN] * attack, np.int8)


def test_a_capture_that_begins_with_its_attack_teaches_nothing() -> None:
    assert stretch(labels(LEAST_LEARNED - 1, 5000)) is None
    assert stretch(labels(0, 0)) is None


def test_it_learns_from_what_comes_before_the_attack_alone() -> None:
    assert stretch(labels(LEAST_LEARNED, 50)) == Stretch(
        LEAST_LEARNED, LEAST_LEARNED, LEAST_LEARNED + 50
    )


def test_of_a_long_capture_it_sees_the_beginning_and_the_attack() -> None:
    begin = 9000 - JUDGED // 4
    assert stretch(labels(9000, 9000)) == Stretch(LEARNED, begin, begin + JUDGED)


def test_of_a_harmless_capture_it_learns_from_half_at_most() -> None:
    assert stretch(labels(600, 0)) == Stretch(300, 300, 600)


@pytest.fixture
def kitsune(tmp_path):
    folder = tmp_path / "kitsune"
    (folder / "KitNET").mkdir(parents=True)
    (folder / "netStat.py").write_text(NET_STAT)
    (folder / "AfterImage.py").write_text("")
    (folder / "KitNET" / "__init__.py").write_text("")
    (folder / "KitNET" / "KitNET.py").write_text(KITNET)
    return folder


def test_errors_become_deviations_of_the_host_that_sent_the_packets(tmp_path, kitsune) -> None:
    calm = [
        (n / 10, frame(2, 4, "10.0.0.2", "10.0.0.4", port=100 + n % 3), "benign")
        for n in range(LEAST_LEARNED)
    ]
    scan = [
        (40 + n / 10, frame(6, 4, "10.0.0.6", "10.0.0.4", port=9000), "Scan") for n in range(20)
    ]
    still = [(42.5, frame(2, 4, "10.0.0.2", "10.0.0.4", port=101), "benign")]
    for name, frames in {"long.pcap": calm + scan + still, "short.pcap": scan}.items():
        write_capture(tmp_path / "captures", name, frames)
    captures = read_captures([tmp_path / "captures"], ["train"])
    long, short = kitsune_scores(captures, tmp_path / "cache", kitsune)
    assert np.isnan(short).all()
    asked = long[np.isfinite(long)]
    assert len(asked) == 3  # two windows of the scan, one of who was there before
    assert (asked > 10).tolist() == [True, True, False]


def test_a_folder_without_kitsune_is_named(tmp_path) -> None:
    with pytest.raises(StepError, match=r"no Kitsune, there is no netStat\.py"):
        list(kitsune_scores([], tmp_path, tmp_path))


def test_all_are_judged_where_kitsune_could_judge_and_it_by_thresholds_of_other_origins() -> None:
    rows = [(origin, host, at, 0) for origin in (0, 1) for host in (0, 1) for at in range(20)]
    rows += [(origin, 2, at, SCAN) for origin in (0, 1, 2) for at in range(10)]
    seen = dataset(rows)
    attacks = seen.label == SCAN
    kitsune = np.where(attacks, 9.0, 1.0).astype(np.float32)
    kitsune[(seen.origin == 0) & (seen.host == 1)] = 5.0  # harmless, and odd
    kitsune[seen.origin == 2] = np.nan
    ours = certain([SCAN if label and origin == 1 else 0 for label, origin in zip(seen.label, seen.origin, strict=True)])  # fmt: skip
    told = compare(seen, kitsune, ours, {"Scan": 0.5}, BUDGET)
    assert (told.captures, told.captures_judged) == (3, 2)
    assert (told.attackers, told.attackers_judged) == ({"Scan": 3}, {"Scan": 2})
    we, limits, quiet, *_ = told.beside
    assert (we.accused, we.named, we.false_alerts) == ({"Scan": 1}, {"Scan": 1}, 0)
    assert (limits.accused, limits.named) == ({}, {})
    assert (quiet.accused, quiet.named) == ({"Scan": 2}, None)
    assert quiet.false_alerts == 1  # nothing in the other origin warned of it
