"""Made-up scenes are what they say they are: readable captures, labelled by who did what, and repeatable."""

from collections import Counter
from random import Random

import numpy as np
import pytest

from agent.capture.pcap import PcapReader
from agent.decode import Status, decode
from contract.attacks import CLASSES
from model_training.captures import read_captures
from model_training.dataset import load_scene
from model_training.synthetic.__main__ import main
from model_training.synthetic.attacks import LOUD, SLOW
from model_training.synthetic.habits import COMMON, FREQUENT, RARE
from model_training.synthetic.home import Home
from model_training.synthetic.plot import Plot
from model_training.synthetic.scenes import compose, write_all

SCENES = 40


@pytest.fixture(scope="module")
def scenes():
    return [compose(7, number) for number in range(SCENES)]


def home(seed: int) -> Home:
    return Home(Random(seed), 30, 6)  # noqa: S311  (repeatable, not secret)


def test_a_scene_is_the_same_whenever_its_seed_is_and_another_with_another(scenes):
    assert compose(7, 3) == scenes[3]
    assert compose(8, 3) != scenes[3]


def test_a_scene_attacks_with_one_class_and_only_benign_scenes_do_not_attack(scenes):
    for scene in scenes:
        labels = {mark.label for _, _, mark in scene.frames} - {"benign"}
        assert labels <= {scene.kind}
        assert bool(scene.attackers) == (scene.kind != "benign")
    assert len({scene.kind for scene in scenes}) == len(CLASSES)


def test_frames_are_in_order_and_every_one_can_be_read(tmp_path):
    write_all(tmp_path, 7, 12)
    for capture in read_captures([tmp_path], ["train"]):
        with PcapReader(capture.path) as reader:
            for batch in reader:
                assert (np.diff(batch.time_ns) >= 0).all()
                assert (decode(batch).status == Status.OK).all()


def test_attackers_are_labelled_and_those_they_attack_are_not(tmp_path):
    write_all(tmp_path / "scenes", 7, SCENES)
    found: Counter[str] = Counter()
    for capture in read_captures([tmp_path / "scenes"], ["train"]):
        scene = load_scene(capture, tmp_path / "cache")
        attacking = scene.label > 0
        assert len(np.unique(scene.label[attacking])) <= 1
        # A forged sender may be several hosts; a victim that answers is none of them.
        assert len(np.unique(scene.host[attacking])) <= 3, capture.entry.file
        found.update(CLASSES[label] for label in np.unique(scene.label[attacking]))
    assert set(found) == set(CLASSES[1:])


@pytest.mark.parametrize("habit", [*COMMON, *FREQUENT, *RARE], ids=lambda habit: habit.__name__)
def test_every_habit_is_benign(habit):
    frames = []
    for seed in range(8):
        place = home(seed)
        habit(place, place.devices[0])
        frames += place.tape.frames
    assert frames
    assert {mark.label for _, _, mark in frames} == {"benign"}


@pytest.mark.parametrize(
    ("label", "attack"),
    [
        (label, a)
        for plots in (LOUD, SLOW)
        for label, attacks in plots.items()
        for a in set(attacks)
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_every_attack_is_of_its_class_and_bounded(label, attack):
    for seed in range(4):
        place = home(seed)
        attack(Plot(place, place.devices[0], place.devices[1], 3.0, 28.0))
        labels = {mark.label for _, _, mark in place.tape.frames}
        assert label in labels
        assert labels <= {label, "benign"}
        assert len(place.tape.frames) < 60_000


def test_scenes_are_written_by_one_command(tmp_path, capsys):
    assert main(["--out", str(tmp_path), "--scenes", "3", "--seed", "3"]) == 0
    assert "3 scenes" in capsys.readouterr().out
    assert len(read_captures([tmp_path], ["train"])) == 3
