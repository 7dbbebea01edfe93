"""The scenes hang together: known devices, attackers that can be told apart, no demo in training."""

import subprocess
import sys

import pytest

from model_training.lab.__main__ import main
from model_training.lab.household import STYLES, build
from model_training.lab.record import ATTACKS
from model_training.lab.scenes import DEMO
from model_training.lab.training_scenes import TRAINING


@pytest.mark.parametrize("scene", [DEMO, *TRAINING], ids=lambda scene: scene.name)
def test_a_scene_names_only_devices_of_its_household(scene):
    names = {device.name for device in build(scene.household, 7).devices}

    assert {step.who for step in scene.steps} <= names
    assert {step.victim for step in scene.steps if step.victim} <= names
    assert all(step.at_s < scene.seconds for step in scene.steps)


def test_names_are_unique_and_the_demo_home_is_not_trained_on():
    names = [scene.name for scene in TRAINING]

    assert len(set(names)) == len(names)
    assert DEMO.household not in {scene.household for scene in TRAINING}


def test_every_attack_is_recorded_in_every_training_home():
    homes = set(STYLES) - {DEMO.household}
    for attack in ATTACKS:
        assert {s.household for s in TRAINING if attack in {x.do for x in s.steps}} == homes


@pytest.mark.parametrize("style", STYLES)
def test_a_household_is_the_same_for_the_same_seed_and_another_for_another(style):
    assert build(style, 3) == build(style, 3)
    assert {d.mac for d in build(style, 3).devices} != {d.mac for d in build(style, 4).devices}
    addresses = [device.octet for device in build(style, 3).devices]
    assert len(set(addresses)) == len(addresses)


def test_an_unknown_scene_is_one_clear_line_and_exit_code_2(tmp_path, capsys):
    code = main(["record", "--out", str(tmp_path), "--scenes", "no-such-scene"])

    assert code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_the_lab_lists_its_scenes_without_any_tool_installed():
    argv = [sys.executable, "-m", "model_training.lab", "list"]
    listed = subprocess.run(argv, env={"PATH": ""}, capture_output=True, text=True, check=True)

    assert len(listed.stdout.split()) == len(TRAINING) + 1
