"""A capture file handed over as if it were live."""

import time
from pathlib import Path

import numpy as np
import pytest

from agent.capture.pcap import read_frames, write_frames
from agent.capture.player import Player
from agent.errors import CaptureError
from agent.records import FrameBatch
from tests.agent.builders import ANN, BOB, SECOND, START_S, Timed, batch, ping


@pytest.fixture
def capture(tmp_path: Path):
    def write(frames: list[Timed]) -> Path:
        path = tmp_path / "some.pcap"
        write_frames(path, [batch(frames)])
        return path

    return write


def play(player: Player) -> tuple[list[FrameBatch], float]:
    """Play to the end; return what was handed over and how long it took."""
    started, found = time.monotonic(), []
    while not player.finished:
        player.wait(1.0)
        frames = player.read()
        if len(frames):
            found.append(frames)
    return found, time.monotonic() - started


def times(batches: list[FrameBatch]) -> list[int]:
    return [int(at) for frames in batches for at in frames.time_ns]


def spread(count: int, seconds: float) -> list[Timed]:
    return [(seconds * n / count, ping(ANN, BOB)) for n in range(count)]


def test_as_fast_as_possible_hands_over_the_files_own_batches(capture) -> None:
    path = capture(spread(100, 3600.0))
    with Player(path, None) as player:
        found, took_s = play(player)
    (whole,) = read_frames(path)
    assert [len(frames) for frames in found] == [100]
    assert times(found) == whole.time_ns.tolist()
    assert took_s < 60  # of an hour


def test_at_a_speed_frames_come_when_their_time_has_come(capture) -> None:
    path = capture(spread(40, 4.0))
    with Player(path, 10.0) as player:
        found, took_s = play(player)
    assert sum(map(len, found)) == 40
    assert len(found) > 10
    assert 0.3 < took_s < 3.5  # of four seconds


def test_a_player_never_hands_over_what_is_not_due(capture) -> None:
    with Player(capture([(0, ping(ANN, BOB)), (60, ping(ANN, BOB))]), 1.0) as player:
        assert len(player.read()) == 1
        assert len(player.read()) == 0
        assert not player.finished


def test_waiting_ends_after_the_timeout(capture) -> None:
    with Player(capture([(0, ping(ANN, BOB)), (60, ping(ANN, BOB))]), 1.0) as player:
        player.read()
        started = time.monotonic()
        player.wait(0.02)
        assert time.monotonic() - started < 30  # of a minute


def test_recorded_times_are_kept(capture) -> None:
    with Player(capture(spread(10, 1.0)), 1e6) as player:
        found, _ = play(player)
    assert times(found)[0] == START_S * SECOND


def test_played_as_if_it_were_now_times_keep_their_distances(capture) -> None:
    before = time.time_ns()
    with Player(capture(spread(10, 1.0)), 1e6, now=True) as player:
        found, _ = play(player)
    assert before <= times(found)[0] <= time.time_ns()
    assert np.diff(times(found)).tolist() == [SECOND // 10] * 9


def test_a_clock_that_was_set_back_in_the_recording_delays_nothing(capture) -> None:
    frames: list[Timed] = [(100, ping(ANN, BOB)), (0, ping(ANN, BOB)), (1, ping(ANN, BOB))]
    with Player(capture(frames), 10.0) as player:
        found, took_s = play(player)
    assert sum(map(len, found)) == 3
    assert took_s < 8  # of ten seconds


def test_an_empty_capture_is_finished_at_once(capture) -> None:
    with Player(capture([]), 1.0) as player:
        assert player.finished
        assert len(player.read()) == 0


def test_a_file_loses_nothing_and_names_its_interfaces(capture) -> None:
    with Player(capture(spread(3, 1.0)), None) as player:
        assert player.dropped() == {}
        assert player.ports == ("if0",)


def test_what_is_no_capture_cannot_be_played(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no capture")
    with pytest.raises(CaptureError, match=r"notes\.txt: not a pcap or pcapng file"):
        Player(path, None)
