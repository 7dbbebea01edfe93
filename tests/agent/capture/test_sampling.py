"""Under overload whole flows are left out by a secret choice, large ones are cut short, and all is counted."""

import numpy as np
import pytest

from agent.capture.sampling import MOST, Sampler, flow_keys
from agent.records import FrameBatch
from tests.agent.builders import (
    ANN,
    BOB,
    EVE,
    batch,
    every,
    flood,
    joined,
    ping,
    tcp,
    udp,
    who_has,
)

SYN = tcp(EVE, BOB, 1, 80, "S")


def padded(frames: FrameBatch) -> FrameBatch:
    """The frames with room behind the last, as a ring has it."""
    columns = {name: getattr(frames, name) for name in FrameBatch.__struct_fields__}
    columns["data"] = np.concatenate([frames.data, np.zeros(64, np.uint8)])
    return FrameBatch(**columns)


def keys(frames: FrameBatch) -> list[int]:
    frames = padded(frames)
    found: list[int] = flow_keys(frames.data, frames.offset, frames.captured_bytes, 7).tolist()
    return found


def taken(sampler: Sampler, frames: FrameBatch) -> np.ndarray:
    frames = padded(frames)
    return sampler.choose(frames.data, frames.offset, frames.captured_bytes)


def pressed(one_in: int) -> Sampler:
    sampler = Sampler(7)
    while sampler.one_in < one_in:
        sampler.adjust(1.0)
    return sampler


def spoofed(count: int) -> FrameBatch:
    drawn = np.random.default_rng(5)
    varied = {(26, 4): drawn.integers(1, 2**32, count), (34, 2): drawn.integers(1, 2**16, count)}
    return flood(SYN, count, varied)


@pytest.mark.parametrize(
    ("there", "back"),
    [
        (tcp(ANN, BOB, 9, 80), tcp(BOB, ANN, 80, 9)),
        (udp(ANN, BOB, 9, 53, data=b"x" * 40), udp(BOB, ANN, 53, 9, data=b"y" * 40)),
        (who_has(ANN, BOB.ip), who_has(ANN, BOB.ip)),
    ],
)
def test_both_directions_of_a_flow_are_one_flow(there, back) -> None:
    there_key, back_key = keys(batch([(0, there), (1, back)]))
    assert there_key == back_key


def test_flows_differ_by_addresses_and_ports() -> None:
    data = b"x" * 20
    frames = [
        tcp(ANN, BOB, 9, 80, data=data),
        tcp(ANN, BOB, 10, 80, data=data),
        tcp(ANN, EVE, 9, 80, data=data),
        who_has(ANN, BOB.ip),
    ]
    assert len(set(keys(batch(every(0.1, frames))))) == 4


def test_everything_is_taken_as_long_as_the_ring_has_room() -> None:
    sampler = Sampler(7)
    for filled in (0.0, 0.3, 0.8):
        sampler.adjust(filled)
        assert taken(sampler, spoofed(500)).tolist() == list(range(500))
    assert (sampler.one_in, sampler.left_out) == (1, 0)


def test_a_ring_that_stays_full_is_sampled_ever_more_coarsely_up_to_a_limit() -> None:
    sampler = Sampler(7)
    steps = []
    for _ in range(9):
        sampler.adjust(0.9)
        steps.append(sampler.one_in)
    assert steps == [2, 4, 8, 16, 32, 64, 64, 64, 64]
    assert MOST == 64


def test_more_is_taken_again_when_the_ring_has_been_nearly_empty_for_some_reads() -> None:
    sampler = pressed(4)
    found = []
    for _ in range(20):
        sampler.adjust(0.0)
        found.append(sampler.one_in)
    assert found == [4] * 7 + [2] * 8 + [1] * 5


@pytest.mark.parametrize("one_in", [2, 8, 64])
def test_of_small_flows_one_in_so_many_is_taken(one_in: int) -> None:
    sampler = pressed(one_in)
    rows = taken(sampler, spoofed(16_000))
    assert 0.5 * 16_000 / one_in < len(rows) < 2 * 16_000 / one_in
    assert (np.diff(rows) > 0).all()
    assert sampler.left_out == 16_000 - len(rows)


def test_a_small_flow_is_taken_whole_or_not_at_all() -> None:
    sampler = pressed(2)
    frames = joined(spoofed(300), spoofed(300), spoofed(300))
    rows = taken(sampler, frames)
    assert sorted((rows % 300).tolist()) == sorted(np.repeat(np.unique(rows % 300), 3).tolist())
    assert 0 < len(rows) < 900


def test_a_coarser_sample_is_part_of_a_finer_one() -> None:
    finer = set(taken(pressed(4), spoofed(4000)).tolist())
    assert set(taken(pressed(16), spoofed(4000)).tolist()) < finer


def test_which_flows_are_taken_is_a_secret() -> None:
    one, other = Sampler(1), Sampler(2)
    for sampler in (one, other):
        sampler.adjust(1.0)
    assert taken(one, spoofed(500)).tolist() != taken(other, spoofed(500)).tolist()


@pytest.mark.parametrize("frame", [SYN, ping(EVE, BOB), who_has(EVE, BOB.ip)])
def test_a_flood_in_one_flow_is_cut_short_but_never_unseen(frame) -> None:
    sampler = pressed(64)
    rows = taken(sampler, flood(frame, 8000, {}))
    assert rows.tolist() == list(range(32))
    assert sampler.left_out == 8000 - 32


def test_short_frames_are_told_apart_by_their_macs() -> None:
    frames = batch([(0, who_has(ANN, BOB.ip)), (1, who_has(EVE, BOB.ip))], snap=30)
    assert len(set(keys(frames))) == 2


def test_of_nothing_nothing_is_taken() -> None:
    assert len(taken(pressed(2), batch([]))) == 0
