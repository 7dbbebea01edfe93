"""Which addresses DNS has named on a network: in any batches, under floods, and where answers are missed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.features.names import CAPACITY, DEAF_NS
from agent.observe import Observer
from agent.records import FrameBatch
from tests.agent.builders import (
    ANN,
    EVE,
    SECOND,
    Box,
    batch,
    cut_at,
    every,
    flood,
    joined,
    observed,
)
from tests.agent.counted_calls import LATER, LONG, after, answer, begun, call

LAIRS = [Box(1, f"203.0.113.{100 + n}") for n in range(6)]
DEAF = DEAF_NS // SECOND


def busy() -> FrameBatch:
    """Return answers and calls of some windows, some named before, some after, some never."""
    timed = begun()
    for window in range(LATER, LATER + 6):
        lair = LAIRS[window % len(LAIRS)]
        frames = [
            answer(LAIRS[(2 * window) % len(LAIRS)].ip),
            *call(EVE, lair, 50_000 + window),
            answer(*LONG, to=EVE if window == LATER + 3 else ANN),
            *call(EVE, LAIRS[(window + 2) % len(LAIRS)], 51_000 + window, 666),
        ]
        timed += every(0.05, frames if window % 2 else frames[:4], window)
    return batch(timed)


BUSY = busy()


@given(st.sets(st.integers(1, len(BUSY) - 1), max_size=12))
def test_any_batches_give_the_same(cuts: set[int]) -> None:
    observer = Observer()
    rows = [observer.feed(part) for part in cut_at(BUSY, sorted(cuts))] + [observer.flush()]
    features = np.concatenate([each.features for each in rows])
    assert np.array_equal(features, observed(BUSY).rows.features)


@pytest.mark.parametrize("name", ["unnamed_opens", "unnamed_odd_opens"])
def test_the_busy_network_holds_unnamed_calls(name: str) -> None:
    seen = observed(BUSY)
    assert sum(seen.count(name, EVE, window) for window in range(LATER, LATER + 6)) > 0


def test_an_answer_of_a_window_that_comes_late_is_taken_in_with_its_packet() -> None:
    named = (LATER - 2, answer(LAIRS[0].ip))  # behind what came after it
    frames = batch([*begun(), (LATER, answer("203.0.113.200")), named])
    late = batch(every(0.01, call(EVE, LAIRS[0]), LATER + 1))
    assert observed(joined(frames, late)).count("unnamed_opens", EVE, LATER + 1) == 0


def test_invented_answers_push_nobody_out_unnoticed() -> None:
    invented = answer("10.77.0.1")
    at = bytes(invented).index(bytes([10, 77, 0, 1]))
    numbers = np.arange(3 * CAPACITY)
    flooding = flood(
        invented, len(numbers), {(at, 4): numbers + (11 << 24)}, at_s=LATER, seconds=6
    )
    then = batch(every(0.01, call(EVE, LAIRS[0]), LATER + 60))
    seen = observed(joined(batch(begun()), flooding, then))
    assert seen.observer.counters()["evicted.named"] > 0
    assert seen.count("unnamed_opens", EVE, LATER + 60) == 0


@pytest.mark.parametrize(("later", "count"), [(0, 0), (DEAF - 1, 0), (DEAF + 1, 1)])
def test_while_answers_may_be_sampled_out_nothing_is_unnamed(later: int, count: int) -> None:
    observer = Observer()
    observer.feed(batch(begun()))
    observer.take(batch(after(answer("203.0.113.200"))), [2])
    observer.take(batch(every(0.01, call(EVE, LAIRS[1], 49_000), LATER)), [1])
    frames = batch(every(0.01, call(EVE, LAIRS[0]), LATER + later))
    seen = observed(frames, observer=observer)
    assert seen.count("unnamed_opens", EVE, LATER + later) == count


def test_what_was_called_while_answers_were_missed_counts_as_named() -> None:
    observer = Observer()
    observer.take(batch([*begun(), *every(0.01, call(EVE, LAIRS[0]), LATER)]), [2])
    observer.take(batch([]), [1])
    frames = batch(every(0.01, call(EVE, LAIRS[0], 50_001), LATER + DEAF + 60))
    assert observed(frames, observer=observer).count("unnamed_opens", EVE, LATER + DEAF + 60) == 0
