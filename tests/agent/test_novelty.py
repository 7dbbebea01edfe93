"""What no class explains: novel is what goes far beyond a host's own usual, and it isolates nobody."""

from typing import Any

import numpy as np
import pytest

from agent.config import AgentConfig, PolicyConfig
from agent.effects import Isolate, Publish
from agent.errors import ModelError
from agent.model_bundle import Bundle
from agent.novelty import LEAST_FEATURES, Novelty, columns_of, deviations, matters
from agent.pipeline import Outcome
from agent.records import FrameBatch
from agent.replay import build_pipeline
from contract.features import FEATURE_COUNT
from contract.messages import Alert, Isolation, VerdictBatch
from model_training.export import to_onnx, to_trees
from tests.agent.builders import ANN, BOB, batch, every, udp
from tests.tiny_forests import FEATURES, far, forest, opinion
from tests.tiny_models import booster, bundle, metadata

COLUMNS = columns_of(FEATURES)


def vector(value: float, count: int = len(FEATURES)) -> np.ndarray:
    """Return one vector in which some of the forest's features have a value."""
    features = np.zeros((1, FEATURE_COUNT), np.float32)
    features[0, COLUMNS[:count]] = value
    return features


def test_within_what_is_usual_nothing_deviates() -> None:
    usual = np.array([[4.0, 100.0]], np.float32)
    assert (deviations(np.array([[4.0, 3.0]], np.float32), usual) == 0).all()


def test_a_deviation_is_how_many_times_the_usual_a_value_is() -> None:
    found = deviations(np.array([[999.0]], np.float32), np.array([[99.0]], np.float32))
    np.testing.assert_allclose(found, np.log([[10.0]]), rtol=1e-6)


def test_what_deviates_in_few_features_is_not_asked_about() -> None:
    novelty = Novelty(opinion(), metadata())
    usual = vector(1.0)
    assert novelty.score(vector(1e6, LEAST_FEATURES - 1), usual) == 0
    assert novelty.score(vector(1e6, LEAST_FEATURES), usual) > 0


def test_the_exported_forest_says_what_the_fitted_one_says() -> None:
    rows = np.concatenate([far(), far() * 4, far()[:50]])
    said = Novelty(opinion(), metadata()).of_deviations(rows)
    np.testing.assert_allclose(said, -forest().score_samples(rows), atol=1e-5)


def test_what_goes_far_beyond_the_usual_is_more_novel_than_what_hardly_does() -> None:
    novelty = Novelty(opinion(), metadata())
    usual = vector(10.0)
    little, much = novelty.score(
        np.concatenate([vector(36.0), vector(1e5)]), np.repeat(usual, 2, 0)
    )
    assert 0 < little < much


def test_no_row_is_no_trouble() -> None:
    nobody = np.empty((0, FEATURE_COUNT), np.float32)
    assert Novelty(opinion(), metadata()).score(nobody, nobody).shape == (0,)
    assert matters(np.empty((0, 4), np.float32)).shape == (0,)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model_id": "other"}, "model_id is other, expected tiny"),
        ({"feature_schema_id": "0" * 16}, "feature_schema_id is 0000000000000000"),
        ({"features": ["sent_gold_1s", *FEATURES[1:]]}, "features that there are not"),
        ({"features": FEATURES[1:]}, "needs one input of 3 features"),
    ],
)
def test_a_forest_that_belongs_to_others_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ModelError, match=why):
        Novelty(opinion(**changes), metadata())


@pytest.mark.parametrize("content", [b"", b"no forest", bundle().model])
def test_what_is_no_forest_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(ModelError) as refusal:
        Novelty(content, metadata())
    assert "\n" not in str(refusal.value)


# --- through the whole detector


def silent_bundle(novelty: bytes | None) -> Bundle:
    """A bundle whose classifier finds everybody benign: it asks for evidence that nobody gives."""
    asked = {"Scan": {"least": 1e9, "features": ["sent_packets_1s"]}}
    said = metadata(evidence=asked)
    return Bundle(to_onnx(booster(), said), to_trees(booster()), said, novelty)


def burst(seconds: int = 130, loud: int = 8) -> FrameBatch:
    """A box that says one thing a second for minutes, and then hundreds to many services."""
    calm = every(1.0, [udp(ANN, BOB)] * seconds)
    sent = [udp(ANN, BOB, 5000, 7000 + n % 40, b"x" * 900) for n in range(loud * 300)]
    return batch(calm + every(1 / 300, sent, seconds))


def judged(novelty: bytes | None, frames: FrameBatch) -> list[Outcome]:
    config = AgentConfig(policy=PolicyConfig(mode="enforce"))
    pipeline = build_pipeline(config, silent_bundle(novelty), 0, ("lan1",))
    return [pipeline.feed(frames), pipeline.flush()]


def published(outcomes: list[Outcome], kind: type) -> list[Any]:
    effects = [effect for outcome in outcomes for effect in outcome.effects]
    messages = [effect.message for effect in effects if isinstance(effect, Publish)]
    return [message for message in messages if isinstance(message, kind)]


def test_a_known_host_that_does_what_it_never_did_is_an_anomaly_told_in_its_own_terms() -> None:
    outcomes = judged(opinion(threshold=0.55), burst())
    opened, *_ = published(outcomes, Alert)
    assert (opened.attack_type, opened.severity, opened.host) == ("Anomaly", "low", ANN.mac)
    assert opened.windows >= 5
    assert opened.confidence >= 0.55
    assert {reason.feature for reason in opened.top_features} <= set(FEATURES)
    assert all(", usually " in reason.words for reason in opened.top_features)
    assert "Anomaly" in {label for b in published(outcomes, VerdictBatch) for label in b.label}


def test_an_anomaly_isolates_nobody_in_any_mode() -> None:
    outcomes = judged(opinion(threshold=0.55), burst())
    assert published(outcomes, Alert)
    assert not published(outcomes, Isolation)
    assert not [e for o in outcomes for e in o.effects if isinstance(e, Isolate)]


def test_of_a_host_that_is_hardly_known_nothing_is_novel() -> None:
    assert not published(judged(opinion(threshold=0.5), burst(seconds=60)), Alert)


def test_a_bundle_without_a_second_opinion_has_none() -> None:
    assert not published(judged(None, burst()), Alert)
