"""The bundled demo capture is small, whole and labelled frame by frame."""

import csv
import gzip
import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from model_training.lab.frames import parse, read_pcap

DEMO = Path(__file__).parents[2] / "agent" / "demo"
ATTACKS = ("Scan", "DOS", "BruteForce", "MITM", "Replay", "Botnet")


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "home-lan.pcap"
    path.write_bytes(gzip.decompress((DEMO / "home-lan.pcap.gz").read_bytes()))
    return [parse(time_ns, raw) for time_ns, raw in read_pcap(path)]


@pytest.fixture(scope="module")
def labels():
    with (DEMO / "home-lan.labels.csv").open() as rows:
        return list(csv.DictReader(rows))


@pytest.fixture(scope="module")
def story():
    return json.loads((DEMO / "home-lan.json").read_text())


def test_it_stays_under_two_megabytes_with_everything_beside_it():
    assert sum(path.stat().st_size for path in DEMO.glob("home-lan.*")) < 2_000_000


def test_every_frame_has_its_label(frames, labels, story):
    assert [int(row["frame"]) for row in labels] == list(range(1, len(frames) + 1))
    assert story["packets"] == len(frames)


def test_every_class_is_there_and_each_attack_has_an_attacker_of_its_own(labels, story):
    classes = Counter(row["class"] for row in labels)

    assert set(classes) == {"benign", *ATTACKS}
    assert [attack["class"] for attack in story["attacks"]] == list(ATTACKS)
    assert len({attack["attacker"]["mac"] for attack in story["attacks"]}) == len(ATTACKS)


def test_it_begins_with_quiet_and_has_quiet_between_the_attacks(story):
    ends_s = [0.0, *(attack["end_s"] for attack in story["attacks"])]
    gaps_s = [a["start_s"] - end_s for a, end_s in zip(story["attacks"], ends_s, strict=False)]

    assert gaps_s[0] >= 12
    assert min(gaps_s[1:]) >= 4.5
    assert 90 <= story["seconds"] <= 112


def test_every_attacker_also_has_honest_traffic(frames, labels, story):
    for attack in story["attacks"]:
        mac = attack["attacker"]["mac"]
        honest = [
            frame
            for frame, row in zip(frames, labels, strict=True)
            if frame.src_mac == mac and row["class"] == "benign" and frame.protocol
        ]
        assert len(honest) >= 5, attack["attacker"]["name"]


def test_it_tells_nothing_about_the_machine_that_recorded_it(frames):
    everything = b"".join(frame.raw for frame in frames)

    private = (str(Path.home()), str(DEMO.parents[1]), f"{tempfile.gettempdir()}/")
    assert not [words for words in private if words.encode() in everything]
