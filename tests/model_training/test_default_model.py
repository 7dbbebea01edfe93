"""The model that the package ships, on captures that it never learned from."""

import json
import subprocess
import sys

import msgspec
import pytest

from agent.capture.pcap import PcapReader
from agent.model_bundle import DEFAULT_BUNDLE, load_bundle
from agent.scoring import OnnxScorer
from contract.model_bundle import MODEL
from model_training.captures import read_captures
from model_training.dataset import load_dataset
from model_training.evaluate import judge
from tests.conftest import ROOT

DEMO = ROOT / "agent" / "demo"


@pytest.fixture(scope="module")
def told():
    """What the demo's own story says of its attacks: (class, attacker's MAC)."""
    story = json.loads((DEMO / "home-lan.json").read_text())
    return {(a["class"], a["attacker"]["mac"]): a for a in story["attacks"]}


@pytest.fixture(scope="module")
def alerts():
    command = [sys.executable, "-m", "agent", "replay", str(DEMO / "home-lan.pcap.gz")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in lines.splitlines()]


def test_every_attack_of_the_demo_is_found_with_its_class_and_host_and_nobody_else_is_accused(
    told, alerts
):
    assert {(alert["attack_type"], alert["host"]) for alert in alerts} == set(told)


def test_every_attack_of_the_demo_is_found_within_ten_seconds(told, alerts):
    began_ns = first_frame_ns()
    for alert in alerts:
        attack = told[alert["attack_type"], alert["host"]]
        waited_s = (alert["opened_ns"] - began_ns) / 1e9 - attack["start_s"]
        assert 0 < waited_s < 10, alert["attack_type"]


def test_every_alert_of_the_demo_gives_reasons_in_words(alerts):
    for alert in alerts:
        assert 1 <= len(alert["top_features"]) <= 5
        assert all(reason["words"] for reason in alert["top_features"])


def test_the_demos_household_was_not_learned_from(told):
    assert "edgewarden-lab/cottage" not in (DEFAULT_BUNDLE / "card.md").read_text()
    assert len(told) == 6


def test_the_default_bundle_is_small_and_signed_by_the_shipped_key():
    loaded = load_bundle(DEFAULT_BUNDLE)
    assert len(loaded.model) + len(loaded.trees) < 1_500_000
    assert (DEFAULT_BUNDLE / MODEL).stat().st_size == len(loaded.model)


@pytest.mark.captures
def test_the_validation_captures_are_judged_as_well_as_the_card_says(captures, tmp_path):
    dataset = load_dataset(read_captures([captures], ["validation"]), tmp_path, {})
    scorer = OnnxScorer(load_bundle(DEFAULT_BUNDLE))
    judged = judge(dataset, scorer.score(dataset.features), scorer.metadata.thresholds)
    assert not any(one.false_alerts for one in judged.accused), msgspec.to_builtins(judged.accused)
    found = {one.label: one.attackers_found / one.attackers for one in judged.found}
    assert min(found[label] for label in ("Botnet", "Scan", "BruteForce")) == 1.0, found
    assert found["DOS"] > 0.5  # a flood of one request in two seconds is not learned from


def first_frame_ns() -> int:
    with PcapReader(DEMO / "home-lan.pcap.gz") as reader:
        return int(next(iter(reader)).time_ns[0])
