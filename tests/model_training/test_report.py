"""The report says scene by scene what was found, and shows fixed limits beside it."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from contract.attacks import CLASSES
from contract.features import FEATURE_COUNT, FEATURE_NAMES
from model_training.baseline import LIMITS, limit_scores
from model_training.drawings import Line, drawing
from model_training.evaluate import Evaluation, judge
from model_training.report import LOUD_PACKETS, write_report
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
