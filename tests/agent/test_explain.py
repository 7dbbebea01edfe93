"""Explanations are exact, and people can read them."""

import io
import re

import msgspec
import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ModelError
from agent.explain import TOP_FEATURES, Explainer
from agent.explain.counterfactual import MOST_CHANGES
from agent.explain.trees import read_trees
from agent.explain.words import describe, describe_bound
from contract.attacks import CLASSES
from contract.features import FEATURE_COUNT, FEATURE_NAMES, FEATURES, Feature
from tests.tiny_models import SIGNS, booster, bundle, vectors


def with_trees(**changes):
    with np.load(io.BytesIO(bundle().trees)) as arrays:
        columns = dict(arrays) | changes
    packed = io.BytesIO()
    np.savez(packed, **columns)
    return msgspec.structs.replace(bundle(), trees=packed.getvalue())


def largest_difference(features):
    expected = booster().predict(xgboost.DMatrix(features), pred_contribs=True)[:, :, :-1]
    explainer = Explainer(bundle())
    found = [[explainer.contributions(row, label) for label in CLASSES] for row in features]
    return np.abs(np.array(found) - expected).max()


def explained(row, label, usual=None):
    explainer = Explainer(bundle())
    return explainer.explain(row, explainer.spoke(row, label), usual)


def counterfactual(row, label, score):
    explainer = Explainer(bundle())
    return explainer.counterfactual(row, label, explainer.spoke(row, label), score)


def feature(name):
    return FEATURES[FEATURE_NAMES.index(name)]


def test_contributions_equal_xgboosts_own_on_every_row_and_class():
    features, _ = vectors(300, seed=5)
    assert largest_difference(features) < 1e-5


def test_contributions_are_exact_where_values_are_missing_or_lie_on_a_threshold():
    features, _ = vectors(60, seed=6)
    trees = read_trees(bundle().trees)
    inner = np.flatnonzero(trees.left >= 0)
    for row, node in zip(features, inner, strict=False):
        row[trees.feature[node]] = trees.threshold[node]
    features[::3, ::4] = np.nan
    assert largest_difference(features) < 1e-5


def test_contributions_add_up_to_the_margin_between_two_vectors():
    features, _ = vectors(2, seed=7)
    margins = booster().predict(xgboost.DMatrix(features), output_margin=True)
    explainer = Explainer(bundle())
    for number, label in enumerate(CLASSES):
        one, other = (explainer.contributions(row, label).sum() for row in features)
        assert one - other == pytest.approx(margins[0, number] - margins[1, number], abs=1e-4)


@pytest.mark.parametrize("label", list(SIGNS))
def test_the_strongest_reason_is_what_the_class_does(label):
    features, labels = vectors(600, seed=8)
    scores = booster().predict(xgboost.DMatrix(features))
    sure = scores[:, CLASSES.index(label)].argmax()
    reasons = explained(features[sure], label)
    assert labels[sure] == CLASSES.index(label)
    assert reasons[0].feature == SIGNS[label][0]
    assert reasons[0].value == features[sure, FEATURE_NAMES.index(reasons[0].feature)]
    assert reasons[0].usual is None


def test_reasons_say_what_is_usual_for_the_host_where_it_is_more_than_that():
    features, _ = vectors(600, seed=8)
    scores = booster().predict(xgboost.DMatrix(features))
    row = features[scores[:, CLASSES.index("Scan")].argmax()]
    known = np.full(FEATURE_COUNT, 3.0, np.float32)
    first = explained(row, "Scan", known)[0]
    assert first.usual == 3.0
    assert first.words.endswith(" in 10 s, usually at most 3")


@pytest.mark.parametrize(
    ("name", "value", "usual", "words"),
    [
        (
            "ports_of_one_host_10s",
            214,
            3,
            "tried 214 ports of one host in 10 s, usually at most 3",
        ),
        ("sent_bytes_1s", 5e6, 1200, "sent 5 MB in 1 s, usually at most 1.2 kB"),
        ("sent_syn_60s", 9, 0.001, "tried to open 9 TCP connections in 60 s, usually none"),
        ("sent_syn_60s", 9, 12, "tried to open 9 TCP connections in 60 s"),
        (
            "unanswered_ratio_10s",
            0.9,
            0.25,
            "90 % of its connection attempts failed, over 10 s, usually at most 25 %",
        ),
    ],
)
def test_usual_values_are_told_in_the_unit_of_the_value(name, value, usual, words):
    assert describe(feature(name), value, usual) == words


def score(rows):
    return booster().predict(xgboost.DMatrix(rows)).astype(np.float32)


@pytest.mark.parametrize("label", list(SIGNS))
def test_few_small_changes_would_have_made_it_benign(label):
    features, _ = vectors(600, seed=8)
    row = features[score(features)[:, CLASSES.index(label)].argmax()]
    changes = counterfactual(row, label, score)
    changed = row.copy()
    for change in changes:
        changed[FEATURE_NAMES.index(change.feature)] = change.value
    assert 1 <= len(changes) <= MOST_CHANGES
    assert (score(changed[None])[0, 1:] < 0.5).all()
    assert SIGNS[label][0] in {change.feature for change in changes}


def test_a_change_is_told_as_a_bound():
    features, _ = vectors(600, seed=8)
    row = features[score(features)[:, CLASSES.index("Scan")].argmax()]
    (change, *_) = counterfactual(row, "Scan", score)
    assert re.fullmatch(r"tried at most [\d,]+ ports? of one host in 10 s", change.words)
    up = feature("received_ratio_10s")
    told = describe_bound(up, 0.5, upper=False)
    assert told == "received at least 0.5 packets for each one sent, over 10 s"
    assert describe_bound(feature("sent_syn_10s"), 0.4, upper=True).startswith("tried to open no ")
    assert "at most 1 TCP" in describe_bound(feature("sent_syn_10s"), 1.9, upper=True)
    assert "at least 2 TCP" in describe_bound(feature("sent_syn_10s"), 1.1, upper=False)


def test_where_nothing_helps_no_change_is_told():
    features, _ = vectors(2, seed=8)
    accused = np.tile(np.array([0, 1, 0, 0, 0, 0, 0], np.float32), (2000, 1))
    found = counterfactual(features[0], "DOS", lambda rows: accused[: len(rows)])
    assert found == []


def test_reasons_are_few_speak_for_the_alert_and_come_strongest_first():
    features, labels = vectors(50, seed=9)
    for row, label in zip(features, labels, strict=True):
        strengths = [r.contribution for r in explained(row, CLASSES[label])]
        assert len(strengths) <= TOP_FEATURES
        assert all(strength > 0 for strength in strengths)
        assert strengths == sorted(strengths, reverse=True)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ports_of_one_host_10s", 214.4, "tried 214 ports of one host in 10 s"),
        ("contacted_hosts_1s", 1.0, "contacted 1 host in 1 s"),
        ("arp_replies_60s", 1.0, "sent 1 ARP reply in 60 s"),
        ("arp_replies_60s", 12_345.0, "sent 12,345 ARP replies in 60 s"),
        ("claimed_addresses_10s", 2.0, "claimed 2 addresses in 10 s"),
        ("received_packets_10s", 0.0, "received no packets in 10 s"),
        ("received_packets_10s", 0.2, "received hardly any packets in 10 s"),
        ("sent_bytes_1s", 14_600.0, "sent 15 kB in 1 s"),
        ("sent_bytes_1s", 1_460_000.0, "sent 1.5 MB in 1 s"),
        ("sent_bytes_1s", 60.0, "sent 60 bytes in 1 s"),
        ("unanswered_ratio_60s", 0.973, "97 % of its connection attempts failed, over 60 s"),
        ("open_gap_mean_60s", 0.034, "opened a connection every 0.034 s, over 60 s"),
        ("received_ratio_10s", 0.0, "received 0 packets for each one sent, over 10 s"),
    ],
)
def test_values_become_words_that_people_use(name, value, words):
    assert describe(feature(name), value) == words


@pytest.mark.parametrize("name", FEATURE_NAMES)
def test_every_feature_of_the_schema_has_words_of_its_own(name):
    assert not describe(feature(name), 3.0).startswith(feature(name).meaning)


def test_a_feature_without_words_is_still_told():
    unknown = Feature("lost_marbles_10s", "marbles", "marbles lost", "volume")
    assert describe(unknown, 3.0) == "marbles lost: 3 marbles"


@given(st.sampled_from(FEATURES), st.floats(0, 2.0**60, width=32))
def test_words_always_fit_their_field(feature, value):
    assert 0 < len(describe(feature, value)) <= 200


@pytest.mark.parametrize(
    "changes",
    [
        {"left": np.zeros(3, np.int32)},
        {"left": np.full(read_trees(bundle().trees).left.shape, 0, np.int32)},
        {"feature": np.full(read_trees(bundle().trees).left.shape, FEATURE_COUNT, np.int32)},
        {"cover": np.zeros(read_trees(bundle().trees).left.shape, np.float32)},
        {"base": np.zeros(2)},
        {"base": np.zeros(len(CLASSES) + 1)},
        {"root": np.array([10**6], np.int32), "tree_class": np.array([0], np.int32)},
    ],
    ids=["short", "cycle", "foreign feature", "no cover", "few classes", "many classes", "root"],
)
def test_malformed_trees_are_refused(changes):
    with pytest.raises(ModelError):
        Explainer(with_trees(**changes))


@pytest.mark.parametrize("content", [b"", b"PK", bundle().trees[:3000]])
def test_what_is_no_file_of_trees_is_refused(content):
    with pytest.raises(ModelError, match="cannot be read"):
        Explainer(msgspec.structs.replace(bundle(), trees=content))
