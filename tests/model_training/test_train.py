"""From captures to a bundle, as a newcomer would go: one small household, every step."""

import random
import subprocess
import sys

import msgspec
import pytest

from agent.model_bundle import load_bundle
from agent.scoring import OnnxScorer
from contract.features import FEATURE_COUNT, FEATURES
from model_training.__main__ import main
from model_training.evaluate import Evaluation
from model_training.runs import Record
from tests.model_training.builders import frame, write_capture

PARAMS = """
seed = 7
[data]
max_rows_per_origin_and_class = 1000
[weights]
benign = 3.0
origin_power = 0.5
[booster]
rounds = 8
patience = 8
max_depth = 3
eta = 0.4
min_child_weight = 0.1
subsample = 1.0
colsample_bytree = 0.5
colsample_bynode = 0.5
lambda = 1.0
gamma = 0.0
max_bin = 64
[thresholds]
false_alerts_per_host_week = 1.0
lowest = 0.3
highest = 0.9
"""


def evening(seed: int) -> list[tuple[float, bytes, str]]:
    """Return a lamp that talks to its hub, and an intruder that scans the hub's ports."""
    chance = random.Random(seed)  # noqa: S311  made-up traffic
    talk = [
        (at + chance.random() / 2, frame(2, 4, "10.0.0.2", "10.0.0.4"), "benign")
        for at in range(30)
    ]
    scan = [
        (10 + n / 40, frame(6, 4, "10.0.0.6", "10.0.0.4", port=100 + n), "Scan")
        for n in range(400)
    ]
    return sorted(talk + scan)


@pytest.fixture(scope="module")
def household(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    attackers = [{"mac": "00:00:00:00:00:06"}]
    for seed, split in enumerate(["train", "train", "validation"]):
        origin = {"repository": "home", "household": str(seed), "tool": f"scanner{seed}"}
        write_capture(
            folder / "captures", f"evening{seed}.pcap", evening(seed), origin=origin, split=split, attackers=attackers
        )  # fmt: skip
    (folder / "params.toml").write_text(PARAMS)
    return folder


def train(household, command, *more):
    options = ["--captures", household / "captures", "--run", household / "runs" / "first"]
    options += ["--cache", household / "cache", "--params", household / "params.toml"]
    options += ["--key", household / "key.pem"]
    return main([command, *map(str, options), *more])


@pytest.fixture(scope="module")
def trained(household):
    assert train(household, "all") == 0
    return household / "runs" / "first"


def test_all_steps_end_in_a_signed_bundle_that_agents_load(trained):
    bundle = load_bundle(trained / "bundle", trained / "signer")
    scorer = OnnxScorer(bundle)
    assert scorer.metadata.model_id.startswith("first-")
    assert set(scorer.metadata.thresholds) == set(scorer.metadata.classes) - {"benign"}


def test_a_scan_that_was_learned_in_one_home_is_found_in_another(trained):
    evaluation = msgspec.json.decode((trained / "evaluation.json").read_bytes(), type=Evaluation)
    for found in (*evaluation.held_out.found, *evaluation.validation.found):
        assert (found.label, found.attackers_found, found.attackers) == ("Scan", 1, 1)
        assert found.seconds_to_alert is not None
        assert found.seconds_to_alert < 6
    assert all(not one.false_alerts for one in evaluation.held_out.accused)


def test_a_scan_is_found_by_a_model_that_never_saw_its_tool(trained):
    evaluation = msgspec.json.decode((trained / "evaluation.json").read_bytes(), type=Evaluation)
    assert evaluation.tools is not None
    seen = [(one.tool, one.seconds is not None) for one in evaluation.tools.sightings]
    assert sorted(seen) == [("scanner0", True), ("scanner1", True)]
    report = (trained / "report" / "detection.md").read_text()
    assert "| Scan | scanner0 | 1 | 1 |" in report


def test_ablation_says_what_is_found_without_each_family(trained, household):
    assert train(household, "ablate") == 0
    assert train(household, "evaluate") == 0
    evaluation = msgspec.json.decode((trained / "evaluation.json").read_bytes(), type=Evaluation)
    everything, *rest = evaluation.ablation
    assert (everything.without, everything.found) == ("", {"Scan": 2})
    assert {one.without for one in rest} == {feature.family for feature in FEATURES}
    assert sum(one.features for one in rest) == FEATURE_COUNT
    assert (
        "| nothing | 0 |  |  |  |  | 2 |  | 2 of 2 | 0 |"
        in (trained / "report" / "detection.md").read_text()
    )


def test_results_of_an_earlier_fit_are_not_taken_for_the_new_ones(household, tmp_path):
    options = ["--captures", str(household / "captures"), "--cache", str(household / "cache")]
    options += ["--params", str(household / "params.toml"), "--run", str(tmp_path)]
    for name in ("held_out_tools.npz", "ablation.json"):
        (tmp_path / name).write_bytes(b"of another fit")
    assert main(["fit", *options]) == 0
    assert not (tmp_path / "held_out_tools.npz").exists()
    assert not (tmp_path / "ablation.json").exists()


def test_the_report_tells_how_far_scores_are_from_shares_that_were_right(trained):
    evaluation = msgspec.json.decode((trained / "evaluation.json").read_bytes(), type=Evaluation)
    *origins, every = evaluation.calibration
    assert [one.origin for one in origins] == ["home/0", "home/1"]
    assert every.windows == sum(one.windows for one in origins)
    line = f"| all | {every.windows} | {every.as_scored:.3f} | {every.mapped:.3f} |"
    assert line in (trained / "report" / "detection.md").read_text()


def test_a_run_notes_everything_that_is_needed_to_repeat_it(trained):
    record = msgspec.json.decode((trained / "run.json").read_bytes(), type=Record)
    assert {source.file for source in record.sources} == {f"evening{n}.pcap" for n in range(3)}
    assert {"numpy", "onnx", "python", "xgboost-cpu"} <= set(record.versions)
    assert (trained / "params.toml").read_text() == PARAMS


def test_the_card_tells_origins_results_and_limits(trained):
    card = (trained / "bundle" / "card.md").read_text()
    assert "| home/0 |" in card
    assert "What was not measured" in card


def test_the_same_captures_give_the_same_model(trained, household, tmp_path):
    options = ["--captures", str(household / "captures"), "--cache", str(household / "cache")]
    options += ["--params", str(household / "params.toml"), "--run", str(tmp_path / "again")]
    assert main(["fit", *options]) == 0
    assert (tmp_path / "again" / "booster.json").read_bytes() == (
        trained / "booster.json"
    ).read_bytes()


@pytest.mark.usefixtures("trained")
def test_an_interrupted_cache_file_is_observed_again(household, capsys):
    kept = sorted((household / "cache").iterdir())
    whole = kept[0].read_bytes()
    kept[0].write_bytes(whole[: len(whole) // 2])
    assert train(household, "dataset") == 0
    assert kept[0].stat().st_size == len(whole)
    assert "home/0" in capsys.readouterr().out


def test_captures_are_listed_by_origin(household, capsys):
    assert train(household, "captures") == 0
    assert "home/0" in capsys.readouterr().out


def test_a_step_taken_too_early_says_which_comes_first(household, tmp_path, capsys):
    options = ["--captures", str(household / "captures"), "--run", str(tmp_path / "new")]
    assert main(["export", *options]) == 2
    told = capsys.readouterr().err
    assert "edgewarden-train evaluate" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("text", ["seed = -1", "seed = 1\n[boost]\nrounds = 2", "seed ="])
def test_wrong_parameters_are_told_in_one_line(household, tmp_path, capsys, text):
    (tmp_path / "params.toml").write_text(text)
    options = [
        "--captures",
        str(household / "captures"),
        "--params",
        str(tmp_path / "params.toml"),
    ]
    assert main(["fit", *options, "--run", str(tmp_path / "new")]) == 2
    told = capsys.readouterr().err
    assert "params.toml" in told
    assert told.count("\n") == 1


def test_help_walks_a_newcomer_from_captures_to_a_bundle():
    told = subprocess.run(
        [sys.executable, "-m", "model_training", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    steps = [
        "captures ",
        "dataset ",
        "fit ",
        "tools ",
        "ablate ",
        "evaluate ",
        "export ",
        "verify ",
        "bundle ",
        "promote ",
    ]
    places = [told.index(f"edgewarden-train {step}") for step in steps]
    assert places == sorted(places)
    assert "Examples:" in told
