"""What is exported is what was trained, and only what was proven and signed is shipped."""

import msgspec
import numpy as np
import onnx
import pytest
import xgboost
from onnx.reference import ReferenceEvaluator

from agent.errors import ModelError
from agent.explain.trees import read_trees
from agent.model_bundle import Bundle, load_bundle
from agent.scoring import OnnxScorer
from contract.features import FEATURE_COUNT, FEATURE_NAMES
from contract.model_bundle import CARD, METADATA, MODEL, TREES
from contract.model_metadata import METADATA_KEY, ModelMetadata
from model_training.bundle import public_pem, read_or_create_key, sign_bundle
from model_training.errors import StepError
from model_training.export import to_onnx, to_trees
from model_training.promote import digests, promote, require_verified
from model_training.runs import Run, write_json
from model_training.verify import TOLERANCE, explanation_difference, verify, walk
from tests.tiny_models import booster, bundle, metadata, vectors


@pytest.fixture
def exported(tmp_path):
    run = Run(tmp_path / "run")
    run.bundle.mkdir(parents=True)
    (run.bundle / MODEL).write_bytes(bundle().model)
    (run.bundle / TREES).write_bytes(bundle().trees)
    (run.bundle / CARD).write_text("# Tiny\n")
    write_json(run.bundle / METADATA, bundle().metadata)
    return run


@pytest.fixture
def proven(exported):
    features, _ = vectors(50)
    proof = verify(booster(), exported.read_bundle(), features, digests(exported))
    write_json(exported.verification, proof)
    return exported


@pytest.fixture
def signed(proven):
    key = read_or_create_key(proven.folder / "key.pem")
    sign_bundle(proven.bundle, "tiny", key)
    (proven.folder / "signer").mkdir()
    (proven.folder / "signer" / "signer.pem").write_bytes(public_pem(key))
    return proven


def test_the_onnx_file_says_what_it_is_for():
    properties = {p.key: p.value for p in onnx.load_from_string(bundle().model).metadata_props}
    told = msgspec.json.decode(properties[METADATA_KEY], type=ModelMetadata)
    assert told == bundle().metadata


def test_onnx_by_its_own_reference_agrees_with_the_trained_model():
    features, _ = vectors(40, seed=12)
    reference = ReferenceEvaluator(onnx.load_from_string(bundle().model))
    _, probabilities = reference.run(None, {"features": features})
    expected = booster().predict(xgboost.DMatrix(features))
    np.testing.assert_allclose(probabilities, expected, atol=TOLERANCE)


def test_the_trees_walked_by_hand_agree_with_the_trained_model_missing_values_included():
    features, _ = vectors(400, seed=13)
    features[::3, ::4] = np.nan
    expected = booster().predict(xgboost.DMatrix(features))
    np.testing.assert_allclose(
        walk(read_trees(bundle().trees), features), expected, atol=TOLERANCE
    )
    assert explanation_difference(booster(), bundle(), features[:20]) < TOLERANCE


def test_a_model_that_is_what_was_trained_is_verified_on_every_row():
    features, _ = vectors(700, seed=14)
    proof = verify(booster(), bundle(), features, ("a" * 64, "b" * 64, ""))
    assert proof.rows == 700
    assert proof.labels_differing == 0
    assert max(proof.scoring_difference, proof.trees_difference) <= TOLERANCE
    assert proof.rows_explained > 100


def test_an_exported_model_that_differs_is_not_verified():
    features, labels = vectors(300, seed=15)
    matrix = xgboost.DMatrix(features, label=labels)
    other = xgboost.train({"objective": "multi:softprob", "num_class": 7, "seed": 2}, matrix, 2)
    with pytest.raises(StepError, match="differs from the trained one"):
        verify(other, bundle(), features, ("a" * 64, "b" * 64, ""))
    foreign_trees = msgspec.structs.replace(bundle(), trees=to_trees(other))
    with pytest.raises(StepError, match="differs from the trained one"):
        verify(booster(), foreign_trees, features, ("a" * 64, "b" * 64, ""))


def test_a_new_signing_key_is_for_its_owners_eyes_only_and_is_kept(tmp_path):
    path = tmp_path / "keys" / "signing.pem"
    made = public_pem(read_or_create_key(path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert public_pem(read_or_create_key(path)) == made


def test_a_file_that_is_no_key_is_not_overwritten(tmp_path):
    path = tmp_path / "signing.pem"
    path.write_text("precious")
    with pytest.raises(StepError, match="no signing key"):
        read_or_create_key(path)
    assert path.read_text() == "precious"


def test_a_bundle_without_its_files_cannot_be_signed(tmp_path):
    key = read_or_create_key(tmp_path / "key.pem")
    with pytest.raises(StepError, match="export first"):
        sign_bundle(tmp_path, "tiny", key)


def test_a_promoted_bundle_is_trusted_by_the_key_beside_it(signed, tmp_path):
    signed.report.mkdir()
    (signed.report / "detection.md").write_text("found")
    docs = tmp_path / "docs"
    assert promote(signed, tmp_path / "default", tmp_path / "keys", docs) == "tiny"
    assert (docs / "detection.md").read_text() == "found"
    loaded = load_bundle(tmp_path / "default", tmp_path / "keys")
    assert OnnxScorer(loaded).score(
        np.zeros((1, FEATURE_COUNT), np.float32)
    ).sum() == pytest.approx(1)
    shipped = {path.name for path in (tmp_path / "keys").iterdir()}
    assert shipped == {"default.pem"}
    assert b"PRIVATE" not in (tmp_path / "keys" / "default.pem").read_bytes()


def test_what_was_not_verified_is_not_promoted(signed, tmp_path):
    signed.verification.unlink()
    with pytest.raises(StepError, match="edgewarden-train verify"):
        promote(signed, tmp_path / "default", tmp_path / "keys")
    assert not (tmp_path / "default").exists()


def test_a_model_that_changed_after_it_was_verified_is_not_promoted(signed, tmp_path):
    (signed.bundle / TREES).write_bytes(bundle().trees + b"\0")
    with pytest.raises(StepError, match="not the files that were verified"):
        promote(signed, tmp_path / "default", tmp_path / "keys")


def test_a_bundle_that_is_not_signed_is_not_promoted(proven, tmp_path):
    require_verified(proven)
    with pytest.raises(ModelError, match=r"manifest\.json"):
        promote(proven, tmp_path / "default", tmp_path / "keys")


def test_what_the_agent_does_not_ask_the_model_is_no_difference():
    asked = {"DOS": {"least": 0.5, "features": [FEATURE_NAMES[0]]}}
    said = metadata(evidence=asked)
    silent = Bundle(to_onnx(booster(), said), to_trees(booster()), said)
    features, _ = vectors(60, seed=21)
    features[::2, 0], features[1::2, 0] = 0.0, 1.0
    proof = verify(booster(), silent, features, ("", "", ""))
    assert proof.scoring_difference <= TOLERANCE
    told = OnnxScorer(silent).score(features)
    assert (told[::2, 0] == 1).all()
    assert (told[1::2, 0] < 1).all()
