"""Models on a box: tried before they judge, and a start always finds one that can."""

import numpy as np
import pytest

from agent.errors import ModelError
from agent.installed import MAX_STARTS, PROVEN_S, Installed, tried
from agent.model_bundle import Bundle
from agent.scoring import OnnxScorer
from contract.model_bundle import MODEL, manifest_sha256, unpack
from model_training.export import to_onnx, to_trees
from tests.model_bundles import MAKER, STRANGER, tar_of, told, trusting, write_bundle
from tests.tiny_models import booster


class Box:
    """A folder of models, and a clock."""

    def __init__(self, folder):
        self.folder = folder
        self.now_s = 0.0
        self.keys = trusting(folder / "keys")
        self.base = self.make("base")
        self.installed = self.started()

    def make(self, model_id, key=MAKER, **changes):
        said = told(model_id, **changes)
        parts = {"model": to_onnx(booster(), said), "trees": to_trees(booster())}
        return write_bundle(self.folder / "made" / model_id, said, key, **parts)

    def started(self):
        self.installed = Installed(
            self.folder / "models", self.folder / "made" / "base", self.keys, lambda: self.now_s
        )
        self.judging = self.installed.load().metadata.model_id
        return self.installed

    def install(self, model_id):
        data = tar_of(self.folder / "made" / model_id)
        digest = manifest_sha256(unpack(data))
        self.installed.take(self.installed.keep(data, model_id, digest))

    def kept(self):
        return {path.name for path in (self.folder / "models").iterdir() if path.is_dir()}


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path)


def test_the_model_that_was_taken_judges_after_a_restart_and_two_are_kept(box):
    assert box.judging == "base"
    for model_id in ("one", "two", "three"):
        box.make(model_id)
        box.install(model_id)
        box.started()
        assert box.judging == model_id
    assert box.installed.model_ids == ["three", "two", "base"]
    assert len(box.kept()) == 2


def test_what_is_here_is_found_by_name_or_digest_and_taken_back(box):
    for model_id in ("one", "two"):
        box.make(model_id)
        box.install(model_id)
    former = box.installed.find("one", None)
    assert box.installed.find("one", former.place.sha256) is not None
    assert box.installed.find("one", "0" * 64) is None
    assert box.installed.find("never", None) is None
    box.installed.take(former)
    assert box.installed.model_ids == ["one", "two", "base"]
    box.installed.take(box.installed.find("one", None))  # again: what was the former one stays so
    assert box.installed.model_ids == ["one", "two", "base"]
    box.installed.take(box.installed.find("base", None))
    box.started()
    assert box.judging == "base"


def test_a_model_that_does_not_load_any_more_gives_way_to_the_former_one(box, caplog):
    for model_id in ("one", "two"):
        box.make(model_id)
        box.install(model_id)
    for former in ("one", "base"):
        active = box.installed.find(box.installed.model_ids[0], None)
        (box.folder / "models" / active.place.sha256 / MODEL).write_bytes(b"spoilt")
        box.started()
        assert box.judging == former
    assert caplog.messages.count("model_fell_back") == 2
    assert box.kept() == set()


def test_a_model_that_ends_the_program_at_once_gives_way_after_three_starts(box):
    box.make("one")
    box.install("one")
    for _ in range(MAX_STARTS):
        box.started()
        assert box.judging == "one"
    box.started()
    assert box.judging == "base"


def test_two_that_end_the_program_at_once_give_way_one_after_the_other(box):
    for model_id in ("one", "two"):
        box.make(model_id)
        box.install(model_id)
    judged = []
    for _ in range(2 * MAX_STARTS + 3):
        box.started()
        judged.append(box.judging)
    assert list(dict.fromkeys(judged)) == ["two", "one", "base"]


def test_a_model_that_has_judged_for_a_minute_may_be_started_often(box):
    box.make("one")
    box.install("one")
    box.now_s += PROVEN_S
    box.installed.note_running()
    for _ in range(MAX_STARTS + 1):
        box.started()
    assert box.judging == "one"


def test_an_end_as_it_should_be_says_nothing_against_a_model(box):
    box.make("one")
    box.install("one")
    for _ in range(MAX_STARTS + 1):
        box.started()
        box.now_s += PROVEN_S - 1
        box.installed.note_running()
        box.installed.note_end()
    assert box.judging == "one"


@pytest.mark.parametrize("state", [b"{", b'{"active": 1}', b'{"later": true}'])
def test_a_state_that_cannot_be_read_is_told_and_the_settings_count(box, state, caplog):
    box.make("one")
    box.install("one")
    (box.folder / "models" / "state.json").write_bytes(state)
    box.started()
    assert box.judging == "base"
    assert "model_state_unreadable" in caplog.messages


def refused(box, data, model_id="bad", digest=None):
    digest = digest or manifest_sha256(unpack(data))
    with pytest.raises(ModelError) as refusal:
        box.installed.keep(data, model_id, digest)
    assert "\n" not in str(refusal.value)
    assert box.installed.model_ids == ["base"]
    assert not (box.folder / "models").exists()
    return str(refusal.value)


def test_what_a_stranger_signed_is_refused(box):
    assert "not signed by a trusted key" in refused(box, tar_of(box.make("bad", STRANGER)))


def test_what_was_made_for_another_agent_is_refused(box):
    data = tar_of(box.make("bad", feature_schema_id="0" * 16))
    assert "feature_schema_id is 0000000000000000, this agent has" in refused(box, data)


def test_another_bundle_than_was_meant_is_refused(box):
    data = tar_of(box.make("bad"))
    assert "the centre gave bad" in refused(box, data, digest="1" * 64)
    assert "the centre gave bad" in refused(box, data, model_id="good")


def test_what_is_no_tar_file_is_refused(box):
    assert "is no bundle: not a tar file" in refused(box, b"<html>" * 200, digest="1" * 64)


def test_a_disk_that_takes_nothing_leaves_the_model_that_judges(box):
    (box.folder / "models").write_text("not a folder")
    data = tar_of(box.make("one"))
    with pytest.raises(ModelError, match="models"):
        box.installed.keep(data, "one", manifest_sha256(unpack(data)))
    assert box.installed.model_ids == ["base"]


@pytest.mark.parametrize("answer", [np.nan, 2.0])
def test_a_model_whose_answers_are_no_probabilities_is_not_taken(monkeypatch, answer):
    said = told("tiny")
    bundle = Bundle(to_onnx(booster(), said), to_trees(booster()), said)
    assert tried(bundle, None).bundle is bundle

    def spoilt(_, features):
        return np.full((len(features), len(said.classes)), answer, np.float32)

    monkeypatch.setattr(OnnxScorer, "_probabilities", spoilt)
    with pytest.raises(ModelError, match="no probabilities"):
        tried(bundle, None)
