"""Calibration is measured on origins that taught the map nothing."""

import numpy as np
import pytest

from contract.attacks import CLASSES
from model_training.calibration import calibrations, expected_error, fit_map
from model_training.labels import UNKNOWN
from tests.model_training.datasets import certain, dataset

DOS = CLASSES.index("DOS")


def test_the_error_is_how_far_scores_are_from_shares_that_were_right():
    score = np.array([0.95, 0.95, 0.95, 0.95, 0.15])
    right = np.array([True, True, False, False, False])
    assert expected_error(score, right) == pytest.approx((4 * 0.45 + 0.15) / 5)
    assert expected_error(np.array([1.0, 0.0]), np.array([True, False])) == 0


def test_scores_that_promise_too_much_are_mapped_to_shares_that_were_right():
    score = np.repeat(np.array([0.9, 0.5], np.float32), 1000)
    right = np.arange(2000) % 1000 < np.repeat([300, 50], 1000)
    slope, shift = fit_map(score, right)
    mapped = 1 / (1 + np.exp(-(slope * np.log([9, 1]) + shift)))
    assert mapped == pytest.approx([0.3, 0.05], abs=0.01)


def rows(origin, wrong):
    return [(origin, 0, second, 0 if second < wrong else DOS) for second in range(100)]


def test_a_map_that_other_origins_teach_helps_where_they_err_alike():
    data = dataset(rows(0, 60) + rows(1, 60))
    first, second, both = calibrations(data, certain([DOS] * 200))
    assert (first.origin, both.origin, both.windows) == ("origin0", "", 200)
    assert first.as_scored == pytest.approx(0.5, abs=0.01)
    assert max(first.mapped, second.mapped) < 0.05


def test_a_map_is_shown_to_harm_where_an_origin_errs_otherwise():
    data = dataset(rows(0, 90) + rows(1, 10))
    first, second, _ = calibrations(data, certain([DOS] * 200))
    assert second.as_scored < 0.02
    assert min(first.mapped, second.mapped) > 0.7


def test_only_windows_that_are_in_doubt_and_whose_label_is_known_count():
    data = dataset([(0, 0, 0, DOS), (0, 0, 1, UNKNOWN), (0, 0, 2, 0), (1, 0, 0, DOS)])
    scores = certain([DOS, DOS, 0, DOS], 0.9)
    scores[2] = np.eye(len(CLASSES))[0]
    assert [one.windows for one in calibrations(data, scores)] == [1, 1, 2]
