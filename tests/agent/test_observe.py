"""Frames to observations: the same however they arrive, finite whatever they hold, bounded in memory."""

import random
import resource
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.capture.pcap import read_frames
from agent.flows import MAX_FLOWS
from agent.observe import Observer, observe
from agent.records import FrameBatch, Observations, concatenate
from tests.agent.builders import (
    ANN,
    BOB,
    EVE,
    SECOND,
    START_S,
    Box,
    batch,
    cut_at,
    every,
    flood,
    handshake,
    in_order_of_time,
    in_pieces,
    is_at,
    joined,
    observed,
    ping,
    raw_batch,
    tcp,
    udp,
    who_has,
)

DEMO = Path(__file__).parents[2] / "agent" / "demo" / "home-lan.pcap.gz"


def result(pieces: Iterable[FrameBatch], *, max_hosts: int = 64) -> dict[str, bytes]:
    """Everything that is observed, byte for byte."""
    rows = concatenate(list(observe(pieces, max_hosts)))
    return {name: getattr(rows, name).tobytes() for name in Observations.__struct_fields__}


def mixture(count: int = 6000) -> FrameBatch:
    """Some of everything: flows, floods, claims, repeats, late frames, a clock set back, garbage."""
    drawn = np.random.default_rng(5)
    small = []
    for n in range(60):
        client, server = Box(20 + n % 7), Box(40 + n % 3)
        small += [*handshake(client, server, 1000 + n), who_has(client, server.ip)]
        small += [
            udp(client, server, 9, 53, b"\0\7\1\0" + bytes(20)),
            is_at(EVE, client, claim=server.ip),
        ]
        small += [
            tcp(client, server, 1000 + n, 80, "PA", data=b"payload %d" % (n % 4)),
            ping(client, server),
        ]
    some = batch(every(0.013, small))
    spoofed = {
        (6, 6): drawn.integers(1, 2**40, count),
        (26, 4): drawn.integers(1, 2**32, count),
        (34, 2): drawn.integers(0, 2**16, count),
    }
    storm = flood(tcp(EVE, BOB, 1, 80, "S"), count, spoofed, at_s=1.5, seconds=2)
    together = in_order_of_time(joined(some, storm))
    times = together.time_ns.copy()
    times[::97] -= 3 * SECOND
    times[-500:] -= 1000 * SECOND
    data = together.data.copy()
    data[drawn.integers(0, len(data), 300)] ^= 255
    return FrameBatch(
        **{
            n: getattr(together, n)
            for n in FrameBatch.__struct_fields__
            if n not in {"time_ns", "data"}
        },
        time_ns=times,
        data=data,
    )


MIXTURE = mixture()


@pytest.mark.parametrize("size", [1, 7, 16_384])
def test_any_batch_size_gives_the_same_bytes(size: int) -> None:
    frames = MIXTURE if size > 1 else next(iter(cut_at(MIXTURE, [1500])))
    assert result(in_pieces(frames, size)) == result([frames])


@pytest.mark.parametrize("seed", range(4))
def test_any_cuts_give_the_same_bytes(seed: int) -> None:
    drawn = random.Random(seed)  # noqa: S311
    cuts = sorted(drawn.randrange(len(MIXTURE) + 1) for _ in range(60))
    assert result(cut_at(MIXTURE, cuts)) == result([MIXTURE])


def test_the_same_frames_give_the_same_bytes_again() -> None:
    assert result([MIXTURE]) == result([MIXTURE])


def test_cuts_inside_a_window_of_many_blocks_change_nothing() -> None:
    frames = flood(
        tcp(EVE, BOB, 1, 80, "S"),
        40_000,
        {(34, 2): np.arange(40_000) % 50_000, (6, 6): np.arange(40_000) % 300 + 9},
    )
    assert result(cut_at(frames, [5, 16_383, 16_384, 30_000])) == result([frames])


def test_a_seed_changes_nothing_that_a_person_sees() -> None:
    one, other = Observer(seed=0), Observer(seed=2**63 + 5)
    frames = batch(every(0.3, [*handshake(ANN, BOB, 7), ping(BOB, ANN), who_has(ANN, EVE.ip)]))
    left, right = observed(frames, observer=one).rows, observed(frames, observer=other).rows
    assert np.array_equal(left.features, right.features)
    assert np.array_equal(left.src_mac, right.src_mac)


def test_a_seed_does_not_decide_who_began_a_flow_that_comes_by_with_several_macs() -> None:
    ann, bob = (Box(0, box.ip, mac=EVE.mac) for box in (ANN, BOB))  # as the relay sends for them
    frames = [udp(ANN, bob, 7, 9), udp(bob, ANN, 9, 7), udp(ann, BOB, 7, 9), udp(BOB, ann, 9, 7)]
    seen = [observed(batch(every(0.2, frames)), observer=Observer(seed=n)).rows for n in range(16)]
    assert all(np.array_equal(seen[0].features, other.features) for other in seen)


# --- accounting


def assert_accounted(observer: Observer, rows: Observations, frames: int) -> None:
    counters = observer.counters()
    assert observer.frames == frames
    assert rows.packets.sum() + counters["decode.short_frame"] == frames
    assert np.isfinite(rows.features).all()
    assert all(value >= 0 for value in counters.values())


def test_every_frame_is_counted_once() -> None:
    observer = Observer(max_hosts=64)
    seen = observed(MIXTURE, observer=observer)
    assert_accounted(observer, seen.rows, len(MIXTURE))
    assert seen.rows.wire_bytes.sum() == MIXTURE.wire_bytes.sum()
    assert observer.counters()["windows.clock_steps"] == 1
    assert observer.counters()["windows.late_packets"] > 0


TIMES = st.integers(0, 2**63 - 1) | st.integers(0, 5 * SECOND) | st.just(-(2**63))
SEEDS = [
    bytes(frame)
    for frame in [*handshake(ANN, BOB, 7), who_has(ANN, BOB.ip), is_at(EVE, BOB, claim=ANN.ip),
                  udp(ANN, BOB, 7, 53, bytes(30)), udp(ANN, BOB, 68, 67, bytes(60)), ping(ANN, BOB)]
]  # fmt: skip


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    frame = bytearray(draw(st.sampled_from(SEEDS)))
    for at, value in draw(
        st.lists(st.tuples(st.integers(0, 79), st.integers(0, 255)), max_size=4)
    ):
        frame[min(at, len(frame) - 1)] = value
    return bytes(frame[: draw(st.integers(0, len(frame)))])


@given(
    st.lists(st.tuples(hostile() | st.binary(max_size=80), TIMES), max_size=30), st.integers(1, 9)
)
@settings(max_examples=60)
def test_no_frames_can_break_an_observer(frames: list[tuple[bytes, int]], size: int) -> None:
    observer = Observer(max_hosts=16)
    whole = raw_batch([frame for frame, _ in frames], [at for _, at in frames])
    rows = [observer.feed(piece) for piece in in_pieces(whole, size)]
    assert_accounted(observer, concatenate([*rows, observer.flush()]), len(frames))


@pytest.mark.parametrize("wire", [0, -1, -(2**31), 2**31 - 1])
def test_lying_wire_lengths_break_nothing(wire: int) -> None:
    one = raw_batch(SEEDS)
    columns = {name: getattr(one, name) for name in FrameBatch.__struct_fields__}
    columns["wire_bytes"] = np.full(len(one), wire, np.int32)
    observer = Observer()
    assert_accounted(observer, observed(FrameBatch(**columns), observer=observer).rows, len(SEEDS))


def test_nothing_gives_no_observations() -> None:
    observer = Observer()
    assert len(observer.feed(raw_batch([]))) == len(observer.flush()) == 0


def test_frames_too_short_for_a_sender_are_counted_and_nothing_else() -> None:
    observer = Observer()
    seen = observed(raw_batch([b"", b"x" * 13]), observer=observer)
    assert len(seen) == 0
    assert observer.counters()["decode.short_frame"] == 2


def test_flushing_twice_gives_nothing_twice() -> None:
    observer = Observer()
    observer.feed(batch([(0, ping(ANN, BOB))]))
    assert (len(observer.flush()), len(observer.flush())) == (1, 0)


# --- time


def test_a_window_is_one_second_from_its_start() -> None:
    rows = observed([(0.999, ping(ANN, BOB)), (1.0, ping(ANN, BOB))]).rows
    assert rows.window_start_ns.tolist() == [START_S * SECOND, (START_S + 1) * SECOND]
    assert (rows.window_end_ns - rows.window_start_ns == SECOND).all()


def test_what_was_learned_outlives_a_clock_that_was_set_back() -> None:
    thief = Box(66, ANN.ip)
    frames = [(90_000.0, ping(ANN, BOB)), (0.0, ping(ANN, BOB)), (1.0, ping(thief, BOB))]
    assert observed(frames).count("foreign_source", EVE, 1) == 1


def test_what_was_learned_in_the_future_is_forgotten_like_all_else() -> None:
    heir = Box(66, ANN.ip)
    frames = [(90_000.0, ping(ANN, BOB)), (0.0, ping(BOB, ANN)), (200.0, ping(heir, BOB))]
    seen = observed(frames)
    assert seen.count("foreign_source", EVE, 200) == 0


def test_frames_at_both_ends_of_time_are_observed() -> None:
    rows = observed(raw_batch([SEEDS[0]] * 4, [0, 2**63 - 1, 0, 2**63 - 1])).rows
    assert len(rows) == 4
    assert (rows.window_end_ns > rows.window_start_ns).all()


# --- bounds


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def spoofed(count: int, at_s: float, seed: int) -> FrameBatch:
    """Frames in which everything is invented: MACs, addresses, ports, payload."""
    drawn = np.random.default_rng(seed)
    varied = {
        (0, 6): drawn.integers(0, 2**48, count) & ~(1 << 40),
        (6, 6): drawn.integers(1, 2**48, count),
        (26, 4): drawn.integers(1, 2**32, count),
        (30, 4): drawn.integers(1, 2**32, count),
        (34, 2): drawn.integers(0, 2**16, count),
        (36, 2): drawn.integers(0, 2**16, count),
        (42, 8): drawn.integers(0, 2**63, count),
    }
    return flood(udp(EVE, BOB, data=bytes(30)), count, varied, at_s=at_s)


def assert_bounded(observer: Observer, seconds: int, packets: int) -> None:
    rows = []
    for second in range(seconds):
        frames = spoofed(packets, second, second)
        rows += [observer.feed(piece) for piece in in_pieces(frames, 16_384)]
    rows.append(observer.flush())
    whole = concatenate(rows)
    assert_accounted(observer, whole, seconds * packets)
    assert all(len(part) <= 4096 + 1 for part in rows)
    counters = observer.counters()
    for name in ("hosts", "bindings", "flows", "contacts", "payloads"):
        assert counters[f"evicted.{name}"] + counters[f"refused.{name}"] > 0, name
    assert counters["hosts.in_remainder"] > 0


def test_a_hundred_thousand_invented_hosts_leave_tables_as_large_as_they_were() -> None:
    assert_bounded(Observer(), seconds=3, packets=40_000)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_million_invented_hosts_take_no_more_memory_than_the_first_hundred_thousand() -> None:
    observer = Observer()
    assert_bounded(observer, seconds=5, packets=100_000)
    before = peak_kib()
    rows = 0
    for second in range(5, 15):
        frames = spoofed(100_000, second, second)
        rows += sum(len(observer.feed(piece)) for piece in in_pieces(frames, 16_384))
    assert rows <= 11 * 4097
    assert observer.counters()["flows.folded"] > 0
    assert peak_kib() - before < 60_000


def test_a_flood_in_one_window_is_folded_and_still_counted() -> None:
    observer = Observer()
    frames = spoofed(MAX_FLOWS + 20_000, 0, 1)
    seen = observed(frames, observer=observer)
    assert observer.counters()["flows.folded"] > 0
    assert_accounted(observer, seen.rows, len(frames))
    assert seen.rows.features[:, 0].sum() == len(frames)


def test_a_host_keeps_its_history_through_a_storm_of_invented_ones() -> None:
    calm = batch(every(0.05, [*handshake(ANN, BOB, 7)] * 20))
    storm = spoofed(30_000, 1, 1)
    after = batch([(1.99, ping(ANN, BOB)), (2.0, ping(ANN, BOB))])
    seen = observed(in_order_of_time(joined(calm, storm, after)))
    assert seen.feature("sent_syn_60s", ANN, 2) > 10


# --- real captures


def test_the_demo_capture_is_observed_the_same_in_any_pieces() -> None:
    frames = list(read_frames(DEMO))
    some = next(iter(cut_at(frames[0], [4000])))
    assert result(in_pieces(some, 333)) == result([some])


@pytest.mark.captures
def test_captures_are_observed_and_every_frame_is_counted(captures: Path) -> None:
    paths = sorted(captures.rglob("*.pcap"), key=lambda path: path.stat().st_size)
    for path in paths[5::60]:
        observer = Observer()
        rows = concatenate(
            [*(observer.feed(frames) for frames in read_frames(path)), observer.flush()]
        )
        assert_accounted(observer, rows, observer.frames)
