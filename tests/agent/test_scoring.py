"""The scorer says what the trained model says, and refuses models made for another agent."""

import msgspec
import numpy as np
import pytest
import xgboost

from agent.errors import ModelError
from agent.model_bundle import Bundle
from agent.scoring import CHUNK_ROWS, OnnxScorer, distinct
from contract.attacks import BENIGN, CLASSES
from contract.features import FEATURE_COUNT, FEATURE_NAMES
from model_training.export import to_onnx, to_trees
from tests.tiny_models import booster, bundle, metadata, vectors

EVIDENT = ("arp_targets_60s", "ports_of_one_host_60s", "sent_packets_10s")


def exported(**changes: object) -> Bundle:
    said = metadata(**changes)
    return Bundle(to_onnx(booster(), said), to_trees(booster()), said)


def test_scores_equal_those_of_the_trained_model_on_every_row():
    features, _ = vectors(2 * CHUNK_ROWS + 7, seed=2)
    expected = booster().predict(xgboost.DMatrix(features))
    scores = OnnxScorer(bundle()).score(features)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert (scores.argmax(axis=1) == expected.argmax(axis=1)).all()


def test_scores_follow_their_rows_when_many_rows_are_alike():
    features, _ = vectors(40, seed=3)
    order = np.random.default_rng(4).integers(0, 40, 3000)
    scorer = OnnxScorer(bundle())
    np.testing.assert_array_equal(scorer.score(features[order]), scorer.score(features)[order])


def test_vectors_with_equal_sums_are_told_apart():
    one, other = np.zeros((2, FEATURE_COUNT), np.float32)
    one[:2], other[:2] = (1.0, 2.0), (2.0, 1.0)
    for rows in ([one, other], [other, one, other], [other, one, one, other, 2 * one]):
        vectors = np.array(rows)
        first, inverse = distinct(vectors)
        assert len(first) == len({row.tobytes() for row in vectors})
        np.testing.assert_array_equal(vectors[first][inverse], vectors)


def test_rows_that_all_differ_keep_their_order():
    rows = np.zeros((3, FEATURE_COUNT), np.float32)
    rows[:, :2] = [(2.0, 1.0), (1.0, 2.0), (0.0, 3.0)]
    assert [found.tolist() for found in distinct(rows)] == [[0, 1, 2], [0, 1, 2]]


def test_no_observations_have_no_scores():
    nothing = OnnxScorer(bundle()).score(np.empty((0, FEATURE_COUNT), np.float32))
    assert nothing.shape == (0, len(CLASSES))


def test_where_nothing_speaks_of_an_attack_the_model_is_not_asked():
    asked = {
        "Scan": {"least": 6.0, "features": ["arp_targets_60s", "ports_of_one_host_60s"]},
        "DOS": {"least": 60.0, "features": ["sent_packets_10s", "arp_targets_60s"]},
    }
    features, _ = vectors(200, seed=6)
    columns = [FEATURE_NAMES.index(name) for name in EVIDENT]
    features[:, columns] = 0
    features[:2, columns[0]] = [5.5, 6.0]
    features[2:4, columns[1]] = [5.5, 6.0]
    features[4:6, columns[2]] = [59.0, 60.0]
    scores = OnnxScorer(exported(evidence=asked)).score(features)
    told = np.flatnonzero(scores[:, CLASSES.index(BENIGN)] < 1)
    assert told.tolist() == [1, 3, 5]
    np.testing.assert_array_equal(scores[told], OnnxScorer(bundle()).score(features)[told])
    np.testing.assert_array_equal(scores.sum(axis=1)[::7], 1)


def test_who_is_beyond_a_limit_is_told_though_its_class_asks_for_more():
    asked = {"Botnet": {"least": 2.2, "features": ["unnamed_talks_60s", "telnet_syn_60s"]}}
    beyond = [{"label": "Botnet", "at_least": {"unnamed_talks_60s": 1.45}}]
    features = np.zeros((3, FEATURE_COUNT), np.float32)
    features[:, FEATURE_NAMES.index("unnamed_talks_60s")] = [1.4, 1.5, 0.0]
    scores = OnnxScorer(exported(evidence=asked, limits=beyond)).score(features)
    assert (scores[:, CLASSES.index("Botnet")] > 0.9).tolist() == [False, True, False]


def test_columns_that_are_a_view_of_something_larger_can_be_scored():
    wide = np.zeros((5, 2 * FEATURE_COUNT), np.float32)
    wide[:, ::2], _ = vectors(5)
    scorer = OnnxScorer(bundle())
    np.testing.assert_array_equal(scorer.score(wide[:, ::2]), scorer.score(wide[:, ::2].copy()))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"feature_schema_id": "0" * 16}, "feature_schema_id"),
        ({"feature_count": FEATURE_COUNT + 1}, "feature_count"),
        ({"window_s": 10.0}, "window_s"),
        ({"classes": list(reversed(CLASSES))}, "classes"),
        ({"thresholds": {"DOS": 0.5}}, "thresholds"),
        ({"thresholds": dict.fromkeys(CLASSES, 0.5)}, "thresholds"),
        ({"evidence": {"DOS": {"least": 1.0, "features": ["sent_parcels_1s"]}}}, "evidence"),
        ({"evidence": {BENIGN: {"least": 1.0, "features": ["sent_packets_1s"]}}}, "evidence"),
    ],
)
def test_a_model_made_for_another_agent_is_refused_in_one_line(changes, complaint):
    with pytest.raises(ModelError, match=complaint) as refusal:
        OnnxScorer(exported(**changes))
    assert "\n" not in str(refusal.value)


def test_a_model_that_does_not_say_what_it_is_for_is_refused():
    silent = bundle().model.replace(b"edgewarden", b"somethingx")
    with pytest.raises(ModelError, match="carries no `edgewarden` metadata"):
        OnnxScorer(msgspec.structs.replace(bundle(), model=silent))


def test_a_model_that_is_not_the_one_its_bundle_tells_of_is_refused():
    other = msgspec.structs.replace(bundle(), metadata=metadata(model_id="other"))
    with pytest.raises(ModelError, match="differ from its bundle's"):
        OnnxScorer(other)


@pytest.mark.parametrize("content", [b"", b"not a model", bundle().model[:5000]])
def test_what_is_no_model_is_refused_in_one_line(content):
    with pytest.raises(ModelError) as refusal:
        OnnxScorer(msgspec.structs.replace(bundle(), model=content))
    assert "\n" not in str(refusal.value)
