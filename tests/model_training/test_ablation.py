"""A family that is left out is asked for by no tree and by no limit."""

from contract.features import FEATURES
from model_training.ablation import EVERYTHING, FASTER, ablate, ablated
from model_training.params import DEFAULT_PARAMS, read_params
from tests.model_training.datasets import learnable

PARAMS = read_params(DEFAULT_PARAMS)


def test_neither_trees_nor_limits_ask_for_a_family_that_is_left_out():
    names = {feature.name for feature in FEATURES if feature.family == "arp"}
    without = ablated(PARAMS, "arp")
    assert names <= set(without.data.ignored_features)
    asked = {name for one in without.limits for name in (*one.at_least, *one.at_most)}
    assert asked
    assert not asked & names
    assert len(without.limits) < len(PARAMS.limits)
    assert without.evidence == PARAMS.evidence


def test_nothing_is_left_out_of_the_training_that_the_others_are_compared_with():
    everything = ablated(PARAMS, EVERYTHING)
    assert everything.data == PARAMS.data
    assert everything.limits == PARAMS.limits
    assert everything.booster.eta == min(1.0, FASTER * PARAMS.booster.eta)


def test_every_origin_is_held_out_from_every_training():
    seen = []

    def progress(parts, title):
        seen.append((title, [fold.name for fold in parts]))
        return []

    bought = ablate(learnable(40, origins=2), 3, PARAMS, progress)
    assert len(bought) == len(seen) == 1 + len({feature.family for feature in FEATURES})
    assert seen[0] == ("Without nothing", ["origin0", "origin1"])
