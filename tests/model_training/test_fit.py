"""Training learns what transfers to origins that it has not seen, the same way every time."""

import msgspec
import numpy as np
import pytest
import xgboost

from contract.attacks import CLASSES
from contract.features import FEATURE_NAMES
from model_training.errors import ManifestError, ParamsError
from model_training.fit import _could_be_known, _stop, base_margins, cross_fit, fit
from model_training.labels import UNKNOWN
from model_training.params import DEFAULT_PARAMS, DataParams, read_params
from tests.model_training.datasets import learnable
from tests.model_training.test_train import PARAMS
from tests.tiny_models import booster, vectors


@pytest.fixture
def params(tmp_path):
    (tmp_path / "params.toml").write_text(PARAMS)
    return read_params(tmp_path / "params.toml")


def test_what_is_alike_everywhere_is_known_in_origins_that_were_held_out(params):
    data = learnable(1200, origins=3)
    crossed = cross_fit(data, params)
    right = crossed.scores.argmax(axis=1) == data.label
    assert right.mean() > 0.9
    assert crossed.loss[crossed.rounds - 1] == crossed.loss.min()
    np.testing.assert_allclose(crossed.scores.sum(axis=1), 1, atol=0.01)


def test_what_only_one_origin_shows_is_not_known_when_that_origin_is_held_out(params):
    data = learnable(900, origins=3)
    alone = data.label == CLASSES.index("Replay")
    data.origin[alone] = 2
    crossed = cross_fit(data, params)
    assert (crossed.scores[alone].argmax(axis=1) != CLASSES.index("Replay")).all()
    assert not _could_be_known(data)[alone].any()
    assert _could_be_known(data)[~alone].all()


def test_scores_after_the_chosen_round_are_those_of_a_booster_of_so_many_rounds(params):
    data = learnable(400, origins=2)
    crossed = cross_fit(data, params)
    seen = np.flatnonzero(data.origin != 0)
    whole = fit(data, seen, params.booster.rounds, params)
    held_out = xgboost.DMatrix(data.features[data.origin == 0])
    expected = whole.predict(held_out, iteration_range=(0, crossed.rounds))
    np.testing.assert_allclose(crossed.scores[data.origin == 0], expected, atol=2e-3)


def test_rows_that_are_not_to_be_learned_do_not_change_the_model(params):
    data = learnable(300, origins=1)
    rows = np.arange(10, 300)
    model = fit(data, rows, 3, params).save_raw("json")
    data.features[:10] = 1e6
    assert fit(data, rows, 3, params).save_raw("json") == model


def test_a_model_never_asks_for_ignored_features(params):
    data = learnable(300, origins=1)
    ignoring = msgspec.structs.replace(
        params,
        data=DataParams(
            max_rows_per_origin_and_class=1000, ignored_features=["sent_syn", "telnet_syn_60s"]
        ),
    )
    asked = set(fit(data, np.arange(300), 5, ignoring).get_score())
    banned = [f"sent_syn_{horizon}s" for horizon in (1, 10, 60)] + ["telnet_syn_60s"]
    assert not asked & {f"f{FEATURE_NAMES.index(name)}" for name in banned}
    assert (
        f"f{FEATURE_NAMES.index('sent_syn_1s')}"
        in fit(data, np.arange(300), 5, params).get_score()
    )


def test_a_feature_that_does_not_exist_cannot_be_ignored(params):
    wrong = msgspec.structs.replace(
        params, data=DataParams(max_rows_per_origin_and_class=10, ignored_features=["sent_love"])
    )
    with pytest.raises(ParamsError, match="sent_love"):
        fit(learnable(50, origins=1), np.arange(50), 1, wrong)


def test_training_stops_when_more_rounds_bring_nothing():
    loss = np.array([5.0, 4.0, 3.0, 3.5, 3.4, 1.0])
    assert _stop(loss, patience=2) == 3
    assert _stop(loss, patience=3) == 6
    assert _stop(np.array([2.0]), patience=5) == 1


def test_margins_before_any_tree_are_what_the_booster_starts_from():
    features, _ = vectors(20, seed=22)
    margins = booster().predict(xgboost.DMatrix(features), output_margin=True)
    matrix = xgboost.DMatrix(features)
    matrix.set_base_margin(np.zeros((20, len(CLASSES)), np.float32))
    trees_alone = booster().predict(matrix, output_margin=True)
    expected = np.tile(base_margins(booster()), (20, 1))
    np.testing.assert_allclose(margins - trees_alone, expected, atol=1e-5)


def test_the_packages_own_parameters_are_in_range():
    params = read_params(DEFAULT_PARAMS)
    assert params.booster.rounds <= 60
    assert params.booster.max_depth <= 6


def test_absent_parameters_are_told(tmp_path):
    with pytest.raises(ParamsError, match="No such file"):
        read_params(tmp_path / "params.toml")


def test_captures_of_a_single_origin_cannot_show_what_transfers(params):
    data = learnable(200, origins=2)
    data.label[data.origin == 1] = UNKNOWN
    with pytest.raises(ManifestError, match="two origins"):
        cross_fit(data, params)
