"""Damped histories and the ratios made of them, against formulas written down a second time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.features import COUNTER_COUNT, COUNTER_NAMES, DERIVED, FEATURE_COUNT, FEATURE_NAMES
from tests.agent.builders import (
    ANN,
    BOB,
    EVE,
    Box,
    Timed,
    every,
    observed,
    ping,
    tcp,
    udp,
    who_has,
)

DERIVED_NAMES = [counter.name for family in DERIVED.values() for counter in family]


RESIDUE = 0.01  # what a sum has faded to is forgotten below this


def faded(counts: dict[int, float], horizon_s: int) -> dict[int, float]:
    """Sum the counts until each window; between two windows the sum fades, and ends."""
    sums: dict[int, float] = {}
    total, before = 0.0, 0
    for now in sorted(counts):
        rest = total * math.exp(-(now - before) / horizon_s)
        total = counts[now] + (rest if rest >= RESIDUE else 0.0)
        sums[now], before = total, now
    return sums


@given(st.dictionaries(st.integers(0, 400), st.integers(1, 9), min_size=1, max_size=12))
@settings(max_examples=10, deadline=None)
def test_a_history_is_the_sum_of_windows_that_fade_by_their_age(counts: dict[int, int]) -> None:
    frames = [(at + 0.01 * i, ping(ANN, BOB)) for at in sorted(counts) for i in range(counts[at])]
    seen = observed(frames)
    for horizon in (10, 60):
        for window, expected in faded(dict(counts), horizon).items():
            found = seen.feature(f"sent_packets_{horizon}s", ANN, window)
            assert found == pytest.approx(expected, rel=1e-5)


def test_a_history_ends() -> None:
    seen = observed([(0, tcp(ANN, BOB, 40_000, 80, "S")), (60, ping(ANN, BOB))])
    assert seen.feature("sent_syn_10s", ANN, 60) == 0.0
    assert seen.feature("sent_syn_60s", ANN, 60) == pytest.approx(math.exp(-1))


def test_what_a_host_received_while_it_was_silent_is_in_its_history() -> None:
    frames: list[Timed] = [(0, ping(BOB, ANN)), (5, ping(ANN, BOB)), (9, ping(BOB, ANN))]
    seen = observed(frames)
    assert seen.feature("received_packets_1s", BOB, 9) == 0
    assert seen.feature("received_packets_10s", BOB, 9) == pytest.approx(math.exp(-4 / 10))


def test_a_silent_host_has_no_observation() -> None:
    seen = observed([(0, ping(ANN, BOB)), (3, ping(BOB, ANN)), (9, ping(ANN, BOB))])
    assert len(seen.rows_of(ANN)) == 2


def test_a_host_that_was_away_for_more_than_an_hour_is_a_new_one() -> None:
    seen = observed([(0, ping(ANN, BOB)), (3700, ping(ANN, BOB))])
    assert seen.feature("sent_packets_60s", ANN, 3700) == 1


def test_the_first_window_of_a_host_is_its_whole_history() -> None:
    seen = observed(every(0.01, [tcp(EVE, BOB, 9, port, "S") for port in range(1, 20)]))
    row = seen.rows.features[seen.row(EVE)]
    blocks = row[: 3 * COUNTER_COUNT].reshape(3, COUNTER_COUNT)
    assert np.array_equal(blocks[0], blocks[1])
    assert np.array_equal(blocks[0], blocks[2])


def test_a_vector_has_the_counters_of_each_horizon_and_then_the_ratios() -> None:
    assert FEATURE_NAMES[:COUNTER_COUNT] == tuple(f"{name}_1s" for name in COUNTER_NAMES)
    assert list(FEATURE_NAMES[3 * COUNTER_COUNT :]) == DERIVED_NAMES
    assert observed([(0, ping(ANN, BOB))]).rows.features.shape == (1, FEATURE_COUNT)


def division(top: float, bottom: float) -> float:
    return top / bottom if bottom > 1e-3 else 0.0


def ratios(features: dict[str, float]) -> dict[str, float]:
    """What the schema says of each derived feature, from the counters beside it."""
    f = features
    mean = division(f["open_gap_60s"], f["opens_60s"])
    variance = max(division(f["open_gap_squared_60s"], f["opens_60s"]) - mean**2, 0.0)

    def unanswered(horizon: str) -> float:
        syn, accepted = f[f"sent_syn_{horizon}"], f[f"received_syn_ack_{horizon}"]
        return min(max(1 - accepted / syn, 0.0), 1.0) if syn > 1e-3 else 0.0

    return {
        "bytes_per_packet_10s": division(f["sent_bytes_10s"], f["sent_packets_10s"]),
        "received_ratio_10s": division(f["received_packets_10s"], f["sent_packets_10s"]),
        "empty_ratio_10s": division(f["sent_empty_10s"], f["sent_packets_10s"]),
        "services_per_host_10s": division(f["contacted_services_10s"], f["contacted_hosts_10s"]),
        "novelty_ratio_60s": division(f["new_services_60s"], f["contacted_services_60s"]),
        "unreturned_size_10s": division(f["unreturned_bytes_10s"], f["sent_unreturned_10s"]),
        "unanswered_ratio_10s": unanswered("10s"),
        "unanswered_ratio_60s": unanswered("60s"),
        "one_service_share_60s": division(f["flows_to_one_service_60s"], f["opens_60s"]),
        "worm_share_10s": division(f["telnet_syn_10s"], f["sent_syn_10s"]),
        "data_per_live_flow_10s": division(f["sent_data_bytes_10s"], f["live_flows_10s"]),
        "refused_ratio_10s": division(f["received_rst_10s"], f["sent_syn_10s"]),
        "data_per_connection_60s": division(f["sent_data_bytes_60s"], f["received_syn_ack_60s"]),
        "borrowed_ratio_60s": division(f["borrowed_payloads_60s"], f["payloads_60s"]),
        "repeat_ratio_60s": division(f["own_repeats_60s"], f["payloads_60s"]),
        "open_gap_mean_60s": mean,
        "open_gap_variation_60s": division(math.sqrt(variance), mean),
    }


def busy_minute() -> list[Timed]:
    """Traffic in which every ratio of EVE is something else than 0 or 1."""
    frames: list[Timed] = []
    for turn in range(30):
        at, port = 2.0 * turn + 0.1 * (turn % 7), 1000 + turn
        target = Box(20 + turn % 5)
        frames += every(
            0.001,
            [
                udp(ANN, target, 7, 5000, b"a command to replay %d" % (turn % 9)),
                tcp(EVE, target, port, 22 + turn % 2, "S"),
                tcp(target, EVE, 22 + turn % 2, port, "SA" if turn % 3 else "RA"),
                tcp(EVE, target, port, 22 + turn % 2, "PA", data=b"password %d" % (turn % 4)),
                udp(EVE, target, port + 10_000, 5000, b"a command to replay %d" % (turn % 5)),
            ],
            at,
        )
    return frames


def test_each_ratio_is_what_its_name_says() -> None:
    seen = observed(busy_minute())
    last = seen.rows.features[seen.rows_of(EVE)[-1]].astype(float)
    features = dict(zip(FEATURE_NAMES, last.tolist(), strict=True))
    expected = ratios(features)
    assert set(expected) == set(DERIVED_NAMES)
    for name, value in expected.items():
        assert features[name] == pytest.approx(value, rel=1e-3, abs=1e-4), name
        assert features[name] > 0, f"{name} is not exercised"


def test_ratios_of_nothing_are_nothing() -> None:
    seen = observed([(0, who_has(ANN, BOB.ip))])
    row = dict(zip(FEATURE_NAMES, seen.rows.features[0].tolist(), strict=True))
    assert {n: row[n] for n in DERIVED_NAMES if row[n]} == {"bytes_per_packet_10s": 42}


def test_counts_beyond_float32_stay_finite() -> None:
    from agent.features.vector import Histories  # noqa: PLC0415
    from agent.grouping import Groups  # noqa: PLC0415
    from agent.hosts import Hosts  # noqa: PLC0415

    one = np.zeros(1, np.uint64)
    hosts = Hosts(
        sender=np.zeros(1, np.int64),
        by_sender=Groups.of(one),
        by_receiver=Groups.of(one),
        receiver=np.full(1, -1),
        senders=1,
        slot=np.zeros(1, np.int64),
        fresh=np.ones(1, np.bool_),
        is_ip_host=np.zeros(1, np.bool_),
        src_mac=one,
        src_ip_high=one,
        src_ip_low=one,
        dst_ip_high=one,
        dst_ip_low=one,
        bridge_port=np.zeros(1, np.int16),
        shared_mac=np.zeros(1, np.bool_),
    )
    counts = dict.fromkeys(COUNTER_NAMES, np.full(1, 1e300))
    vectors = Histories(8).vectors(counts, hosts, np.zeros(1, np.int64), 0)
    assert np.isfinite(vectors).all()
