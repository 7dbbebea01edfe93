"""Nothing is judged by a model that saw its neighbours, and no origin drowns another."""

import numpy as np
import pytest

from contract.attacks import CLASSES
from contract.features import FEATURE_NAMES
from contract.model_metadata import Evidence
from model_training.dataset import part
from model_training.errors import ParamsError
from model_training.labels import UNKNOWN
from model_training.params import DataParams, WeightParams
from model_training.split import folds, judged, telling, thinned, tool_folds, weights
from tests.model_training.datasets import dataset

SCAN = CLASSES.index("Scan")


def test_every_origin_is_held_out_once_and_never_trained_on_meanwhile():
    data = dataset([(origin, 0, second, second % 3) for origin in range(4) for second in range(6)])
    held = []
    for fold in folds(data):
        assert not set(data.origin[fold.train]) & set(data.origin[fold.held_out])
        held += fold.held_out.tolist()
    assert sorted(held) == list(range(len(data)))


def test_a_helper_is_learned_from_in_every_fold_and_never_held_out():
    data = dataset([(origin, 0, 0, 1) for origin in range(3)])
    parts = list(folds(data, ["origin1"]))
    assert [fold.name for fold in parts] == ["origin0", "origin2"]
    assert all(1 in fold.train for fold in parts)
    rows = judged(data, ["origin1"])
    assert rows.tolist() == [0, 2]
    left = part(data, rows)
    assert (left.origins, left.origin.tolist()) == (["origin0", "origin2"], [0, 1])


def test_a_tool_is_held_out_with_all_its_scenes_wherever_they_were_recorded():
    rows = [(scene, 0, second, second) for scene in range(4) for second in range(2)]
    data = dataset(rows, tools=["hydra", "nmap", "", "nmap"])
    hydra, nmap = tool_folds(data)
    assert (hydra.name, hydra.held_out.tolist()) == ("hydra", [0, 1])
    assert hydra.train.tolist() == [2, 3, 4, 5, 6, 7]
    assert (nmap.name, nmap.held_out.tolist()) == ("nmap", [2, 3, 6, 7])
    assert nmap.train.tolist() == [0, 1, 4, 5]


def test_a_helper_that_used_the_tool_is_not_learned_from_and_not_judged():
    data = dataset([(scene, 0, 0, 1) for scene in range(3)], tools=["nmap", "nmap", ""])
    (fold,) = tool_folds(data, ["origin1"])
    assert (fold.held_out.tolist(), fold.train.tolist()) == ([0], [2])


def test_windows_without_a_sure_label_are_judged_but_not_learned():
    data = dataset([(0, 0, 0, UNKNOWN), (0, 0, 1, 1), (1, 0, 0, UNKNOWN), (1, 0, 1, 0)])
    first, second = folds(data)
    assert first.train.tolist() == [3]
    assert second.train.tolist() == [1]
    assert first.held_out.tolist() == [0, 1]


def test_a_large_cell_is_thinned_to_the_same_rows_every_time():
    data = dataset([(0, 0, second, 0) for second in range(100)] + [(1, 0, 0, 0), (0, 0, 0, 1)])
    params = DataParams(max_rows_per_origin_and_class=10)
    rows = np.arange(len(data))
    kept = thinned(data, rows, params, seed=3)
    assert len(kept) == 12
    assert {100, 101} <= set(kept.tolist())
    assert kept.tolist() == thinned(data, rows, params, seed=3).tolist()
    assert kept.tolist() != thinned(data, rows, params, seed=4).tolist()


def test_attack_classes_weigh_the_same_and_benign_as_much_as_it_is_told():
    data = dataset(
        [(0, 0, s, 0) for s in range(50)] + [(0, 0, 0, 1)] + [(0, 0, s, 2) for s in range(9)]
    )
    weight = weights(data, np.arange(len(data)), WeightParams(benign=3.0, origin_power=0.5))
    sums = [weight[data.label == label].sum() for label in range(3)]
    assert sums[1] == pytest.approx(sums[2], rel=1e-5)
    assert sums[0] == pytest.approx(3 * sums[1], rel=1e-5)
    assert weight.mean() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize(("power", "ratio"), [(0.0, 1.0), (0.5, 10.0), (1.0, 100.0)])
def test_origins_share_a_class_by_their_rows_to_a_power(power, ratio):
    data = dataset([(0, 0, s, 1) for s in range(100)] + [(1, 0, 0, 1)])
    weight = weights(data, np.arange(len(data)), WeightParams(benign=1.0, origin_power=power))
    large, small = weight[data.origin == 0].sum(), weight[data.origin == 1].sum()
    assert large / small == pytest.approx(ratio, rel=1e-4)


def test_loud_rows_are_never_left_out():
    data = dataset([(0, 0, second, 0) for second in range(50)])
    data.features[:5, FEATURE_NAMES.index("sent_packets_1s")] = [199, 200, 900, 5_000, 1]
    few = DataParams(max_rows_per_origin_and_class=3)
    kept = thinned(data, np.arange(50), few, seed=1).tolist()
    assert len(kept) == 6
    assert {1, 2, 3} <= set(kept)


def test_an_attack_that_has_hardly_begun_is_not_learned_from():
    data = dataset([(0, 0, 0, SCAN), (0, 0, 1, SCAN)])
    data.features[:, FEATURE_NAMES.index("arp_targets_60s")] = [5, 6]
    evidence = Evidence(least=6.0, features=["new_services_60s", "arp_targets_60s"])
    assert telling(data, np.arange(2), {"Scan": evidence}).tolist() == [1]


def test_nothing_is_learned_from_a_row_about_which_no_model_is_asked():
    data = dataset([(0, 0, second, 0) for second in range(3)])
    data.features[:, FEATURE_NAMES.index("new_services_60s")] = [5, 6, 7]
    evidence = Evidence(least=6.0, features=["new_services_60s", "arp_targets_60s"])
    assert telling(data, np.arange(3), {"Scan": evidence}).tolist() == [1, 2]
    assert telling(data, np.arange(3), {}).tolist() == [0, 1, 2]


def test_evidence_of_what_does_not_exist_is_refused_by_name():
    evidence = Evidence(least=1.0, features=["openings_60s"])
    with pytest.raises(ParamsError, match="openings_60s"):
        telling(dataset([(0, 0, 0, 0)]), np.arange(1), {"Scan": evidence})
