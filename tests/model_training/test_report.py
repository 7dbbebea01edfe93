"""The report says scene by scene what was found, and shows fixed limits beside it."""

import xml.etree.ElementTree as ET

import msgspec
import numpy as np
import pytest

from contract.attacks import CLASSES
from contract.features import FEATURE_COUNT, FEATURE_NAMES
from model_training.baseline import LIMITS, limit_scores
from model_training.drawings import Line, drawing
from model_training.evaluate import Evaluation, judge
from model_training.novelty import Disturbed, SecondOpinion, Unknown
from model_training.peers import Beside, Peers
from model_training.report import write_report
from model_training.report_text import LOUD_PACKETS
from tests.model_training.datasets import certain, dataset

DOS, SCAN = CLASSES.index("DOS"), CLASSES.index("Scan")
HALF = dict.fromkeys(CLASSES[1:], 0.5)


@pytest.fixture
def evaluation():
    rows = [(0, 0, second, SCAN) for second in range(4)]
    rows += [(0, 1, second, 0) for second in range(4)]
    data = dataset(rows)
    judged = judge(data, certain([SCAN] * 4 + [0] * 4), HALF)
    nothing = judge(data, certain([0] * 8), HALF)
    return Evaluation(
        rounds=3, thresholds=HALF, held_out=judged, baseline=nothing, validation=judged
    )


def test_every_attacker_of_a_scene_is_a_line_with_the_wait_for_its_alert(evaluation, tmp_path):
    text = write_report(evaluation, tmp_path).read_text()
    assert "| origin0 | scene0.pcap | Scan | 4 | 100% | 2 s |  |" in text
    assert "| Scan (too few to say) | 1 | 1 | 1 | 1 | 0 of 1 |" in text


def test_the_report_tells_loud_attackers_from_slow_ones(tmp_path):
    rows = [(0, host, second, SCAN) for host in (0, 1) for second in range(4)]
    rows += [(0, 2, second, 0) for second in range(4)]
    data = dataset(rows)
    data.features[0, FEATURE_NAMES.index("sent_packets_1s")] = LOUD_PACKETS
    judged = judge(data, certain([0] * 4 + [SCAN] * 4 + [0] * 4), HALF)
    evaluation = Evaluation(
        rounds=3, thresholds=HALF, held_out=judged, baseline=judged, validation=judged
    )
    text = write_report(evaluation, tmp_path).read_text()
    assert "| foreign | Scan | 1 | 0 (0%) | 1 | 1 (100%) |" in text


def test_the_report_counts_windows_by_what_was_done_and_what_was_named(evaluation, tmp_path):
    text = write_report(evaluation, tmp_path).read_text()
    assert "| Scan | 0 | 0 | 0 | 0 | 0 | 4 | 0 |" in text
    assert "| benign | 4 | 0 | 0 | 0 | 0 | 0 | 0 |" in text


def test_every_drawing_that_the_report_names_is_there_and_is_an_image(evaluation, tmp_path):
    text = write_report(evaluation, tmp_path).read_text()
    drawn = sorted((tmp_path / "images").iterdir())
    assert [f"images/{path.name}" in text for path in drawn] == [True, True]
    assert all(ET.fromstring(path.read_text()).tag.endswith("svg") for path in drawn)  # noqa: S314


def test_what_the_second_opinion_adds_and_whom_it_disturbs_is_told(evaluation, tmp_path):
    assert "no class explains" not in write_report(evaluation, tmp_path).read_text()
    said = SecondOpinion(
        threshold=0.8125,
        false_alerts=1,
        unknown=[Unknown(label="Scan", attackers=9, known=5, missed=4, found=3)],
        disturbed=[
            Disturbed(origin="there", hosts_known=7, host_hours=36, threshold=0.75, false_alerts=2)
        ],
    )
    told = msgspec.structs.replace(evaluation, second_opinion=said)
    text = write_report(told, tmp_path).read_text()
    assert "| Scan | 9 | 5 | 4 | 3 |" in text
    assert "| there | 7 | 1.50 | 0.750 | 2 |" in text
    assert (
        "Chosen on all origins, the threshold is 0.812; false alerts on these same hosts: 1."
        in text
    )


def test_detectors_stand_side_by_side_and_what_could_not_be_judged_is_told(evaluation, tmp_path):
    assert "Kitsune" not in write_report(evaluation, tmp_path).read_text()
    peers = Peers(
        captures=9,
        captures_judged=4,
        attackers={"DOS": 3, "Scan": 6},
        attackers_judged={"Scan": 2},
        host_days=1.25,
        beside=[
            Beside(detector="Edgewarden", accused={"Scan": 2}, named={"Scan": 1}, false_alerts=0),
            Beside(detector="Kitsune", accused={"Scan": 1}, false_alerts=5),
        ],
    )
    told = msgspec.structs.replace(evaluation, peers=peers)
    text = write_report(told, tmp_path).read_text()
    assert "It could learn from 4 of 9 captures" in text
    assert "0 of 3 DOS, 2 of 6 Scan." in text
    assert "| Edgewarden | 2 (1) | 0 |" in text
    assert "| Kitsune | 1 | 5 |" in text


def test_a_drawing_names_its_lines_and_stays_inside_its_frame():
    image = ET.fromstring(drawing("t", ("x", "y"), [Line("one", [(0, 0), (1, 1)])], []))  # noqa: S314
    (line,) = (part for part in image.iter() if part.tag.endswith("polyline"))
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert all(0 <= x <= 640 and 0 <= y <= 300 for x, y in points)
    assert "one" in {part.text for part in image.iter()}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_that_is_exceeded_names_its_class(name):
    features = np.zeros((1, FEATURE_COUNT), np.float32)
    feature, limit = next(iter(LIMITS[name].items()))
    features[0, FEATURE_NAMES.index(feature)] = limit * 1.1
    assert CLASSES[int(limit_scores(features)[0].argmax())] == name


def test_where_no_limit_is_exceeded_nothing_is_named():
    assert limit_scores(np.zeros((3, FEATURE_COUNT), np.float32))[:, 0].tolist() == [1, 1, 1]
