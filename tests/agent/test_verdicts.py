"""What scores come to, and how a row becomes a message."""

from typing import Any

import numpy as np
import pytest

from agent.addresses import ip_text, mac_text
from agent.records import Observations
from agent.verdicts import Judged, doubted, judge, unsure, verdict
from contract.attacks import CLASSES
from tests.agent.builders import ANN, BOB, GATEWAY, Box, Seen, every, observed, ping, tcp
from tests.tiny_models import metadata


def judged(*scores: dict[str, float], seen: Seen | None = None, **changes: Any) -> Judged:
    """Judge observations by given scores."""
    table = np.array([[row.get(name, 0.0) for name in CLASSES] for row in scores], np.float32)
    rows = seen or observed(every(0.01, [ping(Box(n + 1), ANN) for n in range(len(scores))]))
    return judge(rows.rows, table, metadata(**changes))


def labels(*scores: dict[str, float], **changes: Any) -> list[str]:
    return [CLASSES[label] for label in judged(*scores, **changes).labels]


def test_the_likeliest_class_that_reaches_its_threshold_is_the_label() -> None:
    assert labels({"DOS": 0.6, "benign": 0.4}, {"Scan": 0.55, "MITM": 0.45}) == ["DOS", "Scan"]


def test_below_its_threshold_nobody_is_accused() -> None:
    assert labels({"DOS": 0.49, "benign": 0.1}) == ["benign"]


def test_a_class_below_its_threshold_gives_way_to_another_that_reached_its_own() -> None:
    thresholds = dict.fromkeys(CLASSES[1:], 0.9) | {"Scan": 0.2}
    assert labels({"DOS": 0.7, "Scan": 0.3}, thresholds=thresholds) == ["Scan"]


def test_a_threshold_is_reached_by_meeting_it() -> None:
    assert labels({"DOS": 0.5}) == ["DOS"]


def test_an_attack_may_be_likely_enough_although_benign_is_likelier() -> None:
    thresholds = dict.fromkeys(CLASSES[1:], 0.9) | {"Scan": 0.2}
    assert labels({"benign": 0.7, "Scan": 0.3}, thresholds=thresholds) == ["Scan"]


def test_scores_that_are_no_numbers_accuse_nobody() -> None:
    assert labels(dict.fromkeys(CLASSES, float("nan"))) == ["benign"]


def test_unsure_is_a_benign_verdict_beside_a_likelier_attack() -> None:
    thresholds = dict.fromkeys(CLASSES[1:], 0.8)
    rows = ({"Scan": 0.7, "benign": 0.3}, {"Scan": 0.4, "benign": 0.6}, {"Scan": 0.9})
    found = judged(*rows, thresholds=thresholds)
    assert unsure(found, metadata()).tolist() == [True, False, False]


def test_novel_is_an_anomaly_where_no_class_explains_it() -> None:
    found = judged({"benign": 1.0}, {"benign": 1.0}, {"Scan": 0.9, "benign": 0.1})
    novelty = np.array([0.7, 0.69, 0.9], np.float32)
    doubts = doubted(found, novelty, 0.7, metadata())
    told = [verdict(doubts, row, metadata(), ()) for row in range(3)]
    assert [one.label for one in told] == ["Anomaly", "benign", "Scan"]
    assert told[0].scores["Anomaly"] == pytest.approx(0.7)
    assert "Anomaly" not in told[2].scores


def test_no_observations_have_no_labels() -> None:
    nothing = observed([])
    assert len(judge(nothing.rows, np.zeros((0, len(CLASSES)), np.float32), metadata())) == 0


def message(seen: Seen, row: int = 0, ports: tuple[str, ...] = ("lan1",)):
    scores = [{"Scan": 0.7500004, "benign": 0.2499996}] * len(seen)
    return verdict(judged(*scores, seen=seen), row, metadata(), ports)


def test_a_verdict_names_its_host_in_words() -> None:
    seen = observed(every(0.01, [ping(ANN, BOB)] * 3))
    found = message(seen)
    assert (found.host, found.src_mac, found.src_ip) == (ANN.mac, ANN.mac, ANN.ip)
    assert (found.dst_ip, found.bridge_port, found.label) == (BOB.ip, "lan1", "Scan")
    assert (found.packets, found.wire_bytes) == (3, 150)
    assert found.window_end_ns - found.window_start_ns == 1_000_000_000


def test_a_host_behind_a_router_is_named_by_its_ip() -> None:
    server = Box(0, "203.0.113.5", mac=GATEWAY.mac)
    seen = observed(every(0.01, [tcp(ANN, server, 9, 80), tcp(server, ANN, 80, 9, ttl=50)]))
    found = message(seen, seen.row(server.ip))
    assert (found.host, found.src_ip, found.src_mac) == (server.ip, server.ip, GATEWAY.mac)


def test_scores_travel_with_six_digits_and_stay_probabilities() -> None:
    scores = message(observed([(0, ping(ANN, BOB))])).scores
    assert (scores["Scan"], scores["benign"], scores["DOS"]) == (0.75, 0.25, 0.0)
    assert list(scores) == list(CLASSES)


def test_scores_a_hair_beyond_one_are_one() -> None:
    rows = judged({"Scan": 1.0000001, "benign": -1e-9}, seen=observed([(0, ping(ANN, BOB))]))
    scores = verdict(rows, 0, metadata(), ()).scores
    assert (scores["Scan"], scores["benign"]) == (1.0, 0.0)


def test_a_bridge_port_that_the_source_has_not_named_is_left_out() -> None:
    assert message(observed([(0, ping(ANN, BOB))]), ports=()).bridge_port is None


def test_observations_keep_their_columns() -> None:
    rows = judged({"DOS": 1.0})
    assert isinstance(rows.observations, Observations)
    assert len(rows) == 1


# --- addresses


@pytest.mark.parametrize(
    ("high", "low", "text"),
    [
        (0, 0xFFFF_C0A8_0142, "192.168.1.66"),
        (0, 0xFFFF_FFFF_FFFF, "255.255.255.255"),
        (0x2001_0DB8_0000_0000, 1, "2001:db8::1"),
        (0xFE80_0000_0000_0000, 0x0200_00FF_FE00_0010, "fe80::200:ff:fe00:10"),
        (0, 1, "::1"),
        (0x0064_FF9B_0000_0000, 0xC0A8_0101, "64:ff9b::c0a8:101"),
        (2**64 - 1, 2**64 - 1, ":".join(["ffff"] * 8)),
    ],
)
def test_an_address_is_written_in_one_way(high: int, low: int, text: str) -> None:
    assert ip_text(high, low) == text


@pytest.mark.parametrize(("high", "low"), [(0, 0), (0, 0xFFFF_0000_0000)])
def test_the_unset_address_is_none(high: int, low: int) -> None:
    assert ip_text(high, low) is None


def test_a_mac_is_written_with_colons() -> None:
    assert mac_text(0x0200_0000_000A) == "02:00:00:00:00:0a"
    assert mac_text(0) == "00:00:00:00:00:00"
