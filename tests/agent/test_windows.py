"""Windows follow the packets' own time, and blocks do not depend on how packets arrived."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.decode import decode
from agent.windows import STEP_BACK_WINDOWS, Block, StreamClock, Windows
from tests.agent.builders import ANN, BOB, SECOND, in_pieces, ping, raw_batch

FRAME = bytes(ping(ANN, BOB))
LAST_NS = 2**63 - 1


def packets(times_ns: list[int]):
    return decode(raw_batch([FRAME] * len(times_ns), times_ns))


def blocks(times_ns: list[int], *, size: int = 16_384, batch: int = 16_384) -> list[Block]:
    windows, found = Windows(size), []
    for piece in in_pieces(raw_batch([FRAME] * len(times_ns), times_ns), batch):
        found += list(windows.cut(decode(piece)))
    return [*found, *windows.flush()]


def summary(found: list[Block]) -> list[tuple[int, list[int], bool]]:
    return [
        (b.window_start_ns, [] if b.packets is None else b.packets.time_ns.tolist(), b.closes)
        for b in found
    ]


def test_a_window_is_one_second_of_the_packets_time() -> None:
    times = [5 * SECOND, 6 * SECOND - 1, 6 * SECOND, 9 * SECOND + 7]
    assert summary(blocks(times)) == [
        (5 * SECOND, times[:2], True),
        (6 * SECOND, times[2:3], True),
        (9 * SECOND, times[3:], True),
    ]


def test_a_window_closes_only_when_a_later_one_begins() -> None:
    windows = Windows(100)
    assert list(windows.cut(packets([SECOND, SECOND + 1]))) == []
    assert [b.window_start_ns for b in windows.cut(packets([2 * SECOND]))] == [SECOND]


def test_a_window_closes_without_a_later_one_when_nothing_of_it_can_come_any_more() -> None:
    windows = Windows(100)
    assert list(windows.cut(packets([SECOND, SECOND + 1]))) == []
    assert list(windows.close_until(2 * SECOND - 1)) == []
    (closed,) = windows.close_until(2 * SECOND)
    assert (closed.window_start_ns, closed.closes) == (SECOND, True)
    assert closed.packets is not None
    assert len(closed.packets) == 2
    assert list(windows.close_until(2 * SECOND)) == []


def test_a_packet_that_comes_after_its_window_was_closed_is_late() -> None:
    windows = Windows(100)
    list(windows.cut(packets([SECOND])))
    list(windows.close_until(9 * SECOND))
    found = [*windows.cut(packets([SECOND + 1, 9 * SECOND])), *windows.flush()]
    assert [(b.window_start_ns, b.packets is None) for b in found] == [
        (2 * SECOND, False),
        (9 * SECOND, False),
    ]
    assert windows.late == 1


def test_closing_by_the_clock_changes_no_window() -> None:
    times = [SECOND, SECOND + 5, 4 * SECOND, 9 * SECOND]
    windows, found = Windows(100), []
    for time_ns in times:
        found += [*windows.close_until(time_ns - 1), *windows.cut(packets([time_ns]))]
    found += windows.flush()
    assert [b for b in summary(found) if b[1]] == summary(blocks(times))


def test_a_late_packet_counts_in_the_open_window() -> None:
    windows = Windows(100)
    found = [*windows.cut(packets([9 * SECOND, 7 * SECOND, 9 * SECOND + 1])), *windows.flush()]
    assert len(found) == 1
    assert found[0].packets is not None
    assert len(found[0].packets) == 3
    assert (windows.late, windows.clock_steps) == (1, 0)


def test_a_clock_that_was_set_back_opens_an_earlier_window() -> None:
    windows = Windows(100)
    times = [1000 * SECOND, 10 * SECOND, 11 * SECOND]
    found = [*windows.cut(packets(times)), *windows.flush()]
    assert [b.window_start_ns for b in found] == times
    assert (windows.late, windows.clock_steps) == (0, 1)


@pytest.mark.parametrize(("back", "steps"), [(STEP_BACK_WINDOWS, 0), (STEP_BACK_WINDOWS + 1, 1)])
def test_a_minute_back_is_late_and_more_is_a_step(back: int, steps: int) -> None:
    windows = Windows(100)
    list(windows.cut(packets([500 * SECOND, (500 - back) * SECOND])))
    assert windows.clock_steps == steps


def test_a_crowded_window_comes_in_blocks_of_a_fixed_size() -> None:
    found = blocks([3 * SECOND + n for n in range(25)], size=10)
    sizes = [0 if b.packets is None else len(b.packets) for b in found]
    assert sizes == [10, 10, 5]
    assert [b.closes for b in found] == [False, False, True]


def test_a_window_that_ends_with_a_full_block_still_closes() -> None:
    found = blocks([3 * SECOND + n for n in range(20)], size=10)
    assert [b.closes for b in found] == [False, False, True]
    assert found[-1].packets is None


@pytest.mark.parametrize("time_ns", [0, 1, LAST_NS - 1, LAST_NS, -1, -(2**63)])
def test_no_time_is_too_strange(time_ns: int) -> None:
    (found,) = blocks([time_ns])
    assert found.window_start_ns >= 0
    assert found.window_start_ns + SECOND <= LAST_NS


def test_nothing_is_open_before_the_first_packet() -> None:
    windows = Windows(10)
    assert list(windows.cut(packets([]))) == list(windows.flush()) == []


NEAR = st.integers(100 * SECOND, 103 * SECOND)
FAR = st.integers(0, 200 * SECOND) | st.sampled_from([0, LAST_NS, LAST_NS - 1, -5])
TIMES = st.lists(NEAR, max_size=60) | st.lists(NEAR | FAR, max_size=60)


@given(TIMES, st.integers(1, 9), st.integers(1, 70))
def test_blocks_do_not_depend_on_how_packets_arrived(
    times: list[int], size: int, batch: int
) -> None:
    assert summary(blocks(times, size=size, batch=batch)) == summary(blocks(times, size=size))


@given(TIMES, st.integers(1, 9))
def test_every_packet_is_in_exactly_one_block_and_every_window_closes_once(
    times: list[int], size: int
) -> None:
    found = blocks(times, size=size)
    held = [t for b in found if b.packets is not None for t in b.packets.time_ns.tolist()]
    assert held == times
    assert all(b.packets is None or len(b.packets) <= size for b in found)
    starts = [b.window_start_ns for b in found if b.closes]
    assert len(starts) == 1 + np.count_nonzero(np.diff(starts)) if times else not found


# --- the clock of what ages


def test_the_stream_clock_goes_with_the_windows() -> None:
    clock = StreamClock()
    first = clock.at(100 * SECOND)
    assert clock.at(100 * SECOND) == first
    assert clock.at(130 * SECOND) - first == 30 * SECOND


def test_the_stream_clock_never_goes_back() -> None:
    clock = StreamClock()
    times = [clock.at(at * SECOND) for at in (50, 51, 2, 3, 3, 1)]
    assert np.diff(times).tolist() == [SECOND, SECOND, SECOND, 0, SECOND]


def test_the_stream_clock_survives_a_capture_that_jumps_about_for_ever() -> None:
    clock = StreamClock()
    for _ in range(700_000):
        clock.at(0)
        now = clock.at(LAST_NS // SECOND * SECOND)
    assert now <= 2**62
