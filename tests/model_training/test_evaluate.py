"""Evaluation counts what people feel: alerts, whom they hit, and how long they take."""

import numpy as np
import pytest

from agent.strikes import BEYOND_DOUBT, OVERWHELMING_PACKETS
from contract.attacks import CLASSES
from contract.features import FEATURE_NAMES
from model_training.evaluate import judge
from model_training.labels import UNKNOWN
from model_training.params import ThresholdParams
from model_training.strikes import alerts, verdicts, weighty
from model_training.thresholds import benign_hours, choose
from tests.model_training.builders import SECOND_NS, START_NS
from tests.model_training.datasets import certain, dataset

BOTNET, DOS, SCAN = map(CLASSES.index, ("Botnet", "DOS", "Scan"))
HALF = dict.fromkeys(CLASSES[1:], 0.5)


def opened(seconds, labels, hosts=None):
    starts = np.array(seconds, np.int64) * SECOND_NS
    host = np.zeros(len(seconds), np.int64) if hosts is None else np.array(hosts)
    found = alerts(host, starts, np.array(labels, np.int64))
    return sorted(zip((found.opened_ns // SECOND_NS).tolist(), found.label.tolist(), strict=True))


def test_one_verdict_opens_nothing_and_the_second_opens_an_alert_at_its_windows_end():
    assert opened([3], [SCAN]) == []
    assert opened([3, 4], [SCAN, SCAN]) == [(5, SCAN)]


def test_strikes_are_kept_for_ten_seconds_a_bots_for_twenty_five():
    assert opened([3, 13], [SCAN, SCAN]) == [(14, SCAN)]
    assert opened([3, 14], [SCAN, SCAN]) == []
    assert opened([3, 28], [BOTNET, BOTNET]) == [(29, BOTNET)]
    assert opened([3, 29], [BOTNET, BOTNET]) == []


def test_a_window_that_proves_as_much_as_two_opens_an_alert():
    start, label = np.zeros(1, np.int64), np.array([SCAN])
    assert alerts(start, start, label, np.array([True])).opened_ns.tolist() == [SECOND_NS]
    assert alerts(start, start, label, np.array([False])).opened_ns.tolist() == []


def test_very_many_packets_and_what_is_beyond_doubt_prove_as_much_as_two_windows():
    seen, rows = dataset([(0, 0, second, SCAN) for second in range(3)]), np.arange(3)
    sent = seen.features[:, FEATURE_NAMES.index("sent_packets_1s")]
    sent[:] = OVERWHELMING_PACKETS, OVERWHELMING_PACKETS - 1, 1
    assert weighty(seen, rows).tolist() == [True, False, False]
    scores = np.zeros((3, len(CLASSES)), np.float32)
    scores[:, 0] = 0.99  # benign beyond doubt proves nothing
    scores[2, SCAN] = BEYOND_DOUBT["Scan"]
    assert weighty(seen, rows, scores).tolist() == [True, False, True]


def test_two_verdicts_far_apart_open_nothing():
    assert opened([0, 11], [SCAN, SCAN]) == []
    assert opened([0, 10], [SCAN, SCAN]) == [(11, SCAN)]


def test_verdicts_of_two_classes_or_two_hosts_do_not_add_up():
    assert opened([0, 1], [SCAN, DOS]) == []
    assert opened([0, 1], [SCAN, SCAN], hosts=[1, 2]) == []


def test_an_attack_that_goes_on_is_one_alert_and_one_that_returns_is_another():
    assert opened([*range(50), 300, 301], [SCAN] * 52) == [(2, SCAN), (302, SCAN)]


def test_the_order_of_rows_does_not_matter():
    assert opened([4, 0, 3, 90], [SCAN] * 4) == opened([0, 3, 4, 90], [SCAN] * 4)


def test_the_likeliest_class_that_reaches_its_threshold_is_named_else_benign():
    scores = np.array([[0.5, 0.4, 0, 0, 0, 0.1, 0], [0.9, 0.1, 0, 0, 0, 0, 0]], np.float32)
    assert verdicts(scores, {"DOS": 0.3, "Scan": 0.05}).tolist() == [DOS, 0]
    assert verdicts(scores, {"DOS": 0.45, "Scan": 0.05}).tolist() == [SCAN, 0]


def test_an_attacker_is_found_when_the_right_alert_opens_and_the_wait_counts_from_its_first_window():
    data = dataset([(0, 0, second, SCAN) for second in range(10, 20)])
    named = [0, 0, 0, SCAN, SCAN, DOS, 0, 0, 0, 0]
    (found,) = judge(data, certain(named), HALF).found
    assert (found.windows, found.windows_found, found.windows_flagged) == (10, 2, 3)
    assert (found.attackers, found.attackers_found) == (1, 1)
    assert found.seconds_to_alert == pytest.approx(5.0)


def test_an_attacker_with_alerts_of_another_class_is_not_found():
    data = dataset([(0, 0, second, SCAN) for second in range(5)])
    (found,) = judge(data, certain([DOS] * 5), HALF).found
    assert (found.windows_flagged, found.attackers_found, found.seconds_to_alert) == (5, 0, None)


def test_alerts_on_benign_hosts_are_counted_per_class_with_the_time_that_the_hosts_were_there():
    rows = [(0, host, second, 0) for host in (0, 1) for second in (0, 1, 3599)]
    (accused,) = judge(dataset(rows), certain([DOS, DOS, 0, 0, 0, 0]), HALF).accused
    assert accused.hosts == 2
    assert accused.host_hours == pytest.approx(2.0)
    assert accused.windows_flagged == 2
    assert accused.false_alerts == {"DOS": 1}


def test_an_alert_that_lingers_on_an_attacker_is_no_false_alert():
    data = dataset(
        [(0, 0, second, SCAN if second < 3 else 0) for second in range(200)] + [(0, 1, 0, 0)]
    )
    (accused,) = judge(data, certain([SCAN] * 200 + [0]), HALF).accused
    assert (accused.hosts, accused.windows, accused.false_alerts) == (1, 1, {})


def test_windows_without_a_sure_label_accuse_nobody():
    data = dataset([(0, 0, second, UNKNOWN) for second in range(5)])
    judgement = judge(data, certain([DOS] * 5), HALF)
    assert (judgement.found, judgement.accused) == ([], [])


def test_the_lowest_threshold_that_keeps_the_budget_is_chosen():
    week = 7 * 24 * 3600
    quiet = [(0, 0, second, 0) for second in range(0, week, 3600)]
    loud = [(0, 0, second, 0) for second in (1000, 1001, 200_000, 200_001)]
    data = dataset(quiet + loud)
    scores = np.concatenate(
        [certain([0] * len(quiet)), certain([DOS, DOS], 0.8), certain([DOS, DOS], 0.6)]
    )
    params = {"lowest": 0.5, "highest": 0.95}
    strict = ThresholdParams(false_alerts_per_host_week=0.5, **params)
    lenient = ThresholdParams(false_alerts_per_host_week=1.5, **params)
    generous = ThresholdParams(false_alerts_per_host_week=3.0, **params)
    assert choose(data, scores, strict)["DOS"] == pytest.approx(0.81, abs=0.011)
    assert choose(data, scores, lenient)["DOS"] == pytest.approx(0.61, abs=0.011)
    assert choose(data, scores, generous)["DOS"] == 0.5
    assert choose(data, scores, strict)["Scan"] == 0.5


def test_a_budget_that_cannot_be_kept_gives_the_highest_threshold():
    data = dataset([(0, 0, second, 0) for second in range(4)])
    params = ThresholdParams(false_alerts_per_host_week=1.0, lowest=0.5, highest=0.9)
    assert choose(data, certain([DOS] * 4, 0.99), params)["DOS"] == 0.9


def test_nobody_was_there_in_no_time():
    data = dataset([(0, 0, 0, DOS)])
    assert benign_hours(data, np.arange(1)) == 0
    assert data.window_start_ns[0] == START_NS
