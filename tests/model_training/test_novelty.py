"""The second opinion is fitted to harmless hosts, and quiet within its budget on origins it did not see."""

import msgspec
import numpy as np
import pytest

from agent.baselines import LEARNS_EVERY, WARM
from contract.attacks import CLASSES
from contract.features import FEATURE_NAMES
from model_training.captures import read_captures
from model_training.dataset import Dataset
from model_training.errors import ParamsError
from model_training.histories import Deviating, deviating
from model_training.novelty import (
    columns,
    fit_forest,
    held_out_novelty,
    judge_novelty,
    usable,
)
from model_training.params import NoveltyParams
from tests.model_training.builders import frame, write_capture
from tests.model_training.datasets import certain, dataset
from tests.tiny_forests import FEATURES

PARAMS = NoveltyParams(
    features=FEATURES,
    trees=20,
    rows_per_tree=64,
    max_rows_per_origin=100,
    false_alerts_per_100_host_days=1.0,
)
THRESHOLDS = dict.fromkeys(CLASSES[1:], 0.5)
DAY = 86_400
SCAN = CLASSES.index("Scan")


def test_a_feature_that_there_is_not_is_named() -> None:
    with pytest.raises(ParamsError, match="there is no sent_gold_1s"):
        columns(msgspec.structs.replace(PARAMS, features=["sent_gold_1s"]))


def homes() -> tuple[Dataset, Deviating]:
    """Two origins with a harmless host each, and an attacker in the second; all are known."""
    rows = [(0, 0, at, 0) for at in range(50)] + [(1, 0, at, 0) for at in range(50)]
    rows += [(1, 1, at, SCAN) for at in range(50)]
    far = np.random.default_rng(2).exponential(1.0, (len(rows), len(FEATURES)))
    return dataset(rows), Deviating(np.arange(len(rows)), far.astype(np.float32))


def test_a_forest_learns_from_harmless_hosts_of_other_origins_alone() -> None:
    seen, known = homes()
    changed = Deviating(known.rows, known.far.copy())
    changed.far[50:] = 99.0  # of the origin that is held out, and of the attacker
    one, other = (fit_forest(seen, k, 1, PARAMS, 3) for k in (known, changed))
    assert (one.score_samples(known.far) == other.score_samples(known.far)).all()
    assert (fit_forest(seen, changed, 0, PARAMS, 3).score_samples(known.far) < 0).all()


def test_two_origins_with_known_harmless_hosts_are_needed() -> None:
    seen, known = homes()
    assert usable(seen, known)
    assert not usable(seen, Deviating(known.rows[:50], known.far[:50]))
    assert not usable(seen, Deviating(known.rows[100:], known.far[100:]))


def test_hosts_that_are_not_known_are_never_novel() -> None:
    seen, known = homes()
    few = Deviating(known.rows[:80], known.far[:80] + 2)
    said = held_out_novelty(seen, few, PARAMS, 3)
    assert (said[:80] > 0).all()
    assert (said[80:] == 0).all()


def opinion_on(days: float, novel: dict[tuple[int, int], float]) -> tuple[float, list[int], int]:
    """Return threshold, false alerts by origin, and attackers found.

    Args:
        days: How long the harmless host of each of two origins is there.
        novel: Novelty of (origin, host) in five windows; host 1 of origin 1 attacks, and is missed.
    """
    rows = [(origin, 0, at, 0) for origin in (0, 1) for at in (*range(5), int(days * DAY))]
    rows += [(1, 1, at, SCAN) for at in range(5)]
    seen = dataset(rows)
    said = np.array([novel.get((o, h), 0.0) if at < 5 else 0.0 for o, h, at, _ in rows])
    found = judge_novelty(
        seen, certain([0] * len(rows)), THRESHOLDS, (said.astype(np.float32), np.arange(len(rows))), PARAMS
    )  # fmt: skip
    (scan,) = found.unknown
    assert (scan.label, scan.attackers, scan.known, scan.missed) == ("Scan", 1, 1, 1)
    return found.threshold, [one.false_alerts for one in found.disturbed], scan.found


def test_an_attacker_that_the_classifier_missed_is_found_above_the_threshold() -> None:
    threshold, wrong, found = opinion_on(1.0, {(0, 0): 0.6, (1, 1): 0.8})
    assert 0.6 < threshold < 0.65
    assert (wrong, found) == ([1, 0], 1)  # origin 0 had no part in its own threshold


def test_an_attacker_that_is_no_more_novel_than_harmless_hosts_is_not_found() -> None:
    _, _, found = opinion_on(1.0, {(0, 0): 0.9, (1, 1): 0.8})
    assert found == 0


def test_a_false_alert_in_so_many_host_days_is_within_the_budget() -> None:
    threshold, _, found = opinion_on(60.0, {(0, 0): 0.9, (1, 1): 0.8})
    assert threshold == 0.5  # one alert in 120 host-days
    assert found == 0  # without the days of its own origin it is not


def test_histories_go_on_from_capture_to_capture_of_one_origin(tmp_path) -> None:
    half = WARM * LEARNS_EVERY // 2 + 5
    for number, home in enumerate(["mine", "mine", "yours"]):
        frames = [
            (number * 1000.0 + at, frame(2, 4, "10.0.0.2", "10.0.0.4"), "benign")
            for at in range(half)
        ]
        origin = {"repository": home}
        write_capture(tmp_path / "captures", f"part{number}.pcap", frames, origin=origin)
    captures = read_captures([tmp_path / "captures"], ["train"])
    known = deviating(
        captures, tmp_path / "cache", np.ones(3 * half, np.bool_), np.array([FEATURE_NAMES.index("sent_packets_1s")])
    )  # fmt: skip
    assert len(known.rows)
    assert (known.rows // half == 1).all()  # the second part of the home that has two
    assert (known.far == 0).all()
