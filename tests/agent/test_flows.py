"""Packets become flows, and too many flows become few without losing a packet."""

import numpy as np
import pytest

from agent.decode import decode
from agent.flows import BLOCK_PACKETS, COLUMNS, SUMS, Flows, flows_of, folded, merged
from agent.records import FrameBatch
from tests.agent.builders import (
    ANN,
    BOB,
    EVE,
    Box,
    batch,
    cut_at,
    every,
    flood,
    ping,
    tcp,
    udp,
    who_has,
)


def flows(frames: FrameBatch, **marks: np.ndarray) -> Flows:
    return flows_of(decode(frames), marks, 0)


def totals(found: Flows) -> dict[str, int]:
    return {name: int(found.total(name).sum()) for name in SUMS}


def many(count: int, seed: int = 1) -> FrameBatch:
    """SYNs from invented addresses and ports."""
    drawn = np.random.default_rng(seed)
    varied = {
        (26, 4): drawn.integers(1, 2**32, count),
        (34, 2): drawn.integers(1, 2**16, count),
    }
    return flood(tcp(EVE, BOB, 1, 80, "S"), count, varied)


def test_each_direction_of_a_connection_is_a_row() -> None:
    frames = [tcp(ANN, BOB, 9, 80), tcp(BOB, ANN, 80, 9), tcp(ANN, BOB, 9, 80, data=b"x")]
    found = flows(batch(every(0.1, frames)))
    assert sorted(found.total("packets").tolist()) == [1, 2]


@pytest.mark.parametrize(
    "other",
    [
        tcp(ANN, BOB, 9, 81),
        tcp(ANN, BOB, 10, 80),
        tcp(ANN, EVE, 9, 80),
        tcp(Box(10, "10.0.0.9"), BOB, 9, 80),
        tcp(Box(99, ANN.ip), BOB, 9, 80),
        udp(ANN, BOB, 9, 80),
    ],
)
def test_what_differs_in_an_address_a_port_or_the_protocol_is_another_flow(other) -> None:
    assert len(flows(batch(every(0.1, [tcp(ANN, BOB, 9, 80), other])))) == 2


def test_arp_rows_are_told_apart_by_what_they_claim_and_ask() -> None:
    asks = [who_has(ANN, f"192.168.1.{n}") for n in range(5)]
    assert len(flows(batch(every(0.1, [*asks, *asks])))) == 5


def test_pings_are_told_apart_by_their_type() -> None:
    found = flows(batch([(0, ping(ANN, BOB))]))
    assert (found.dst_port[0], found.src_port[0]) == (8, 0)


def test_marks_are_summed_per_flow() -> None:
    frames = batch(every(0.1, [udp(ANN, BOB), udp(ANN, BOB), udp(BOB, ANN)]))
    found = flows(frames, payloads=np.array([True, True, False]))
    assert sorted(found.total("payloads").tolist()) == [0, 2]


def test_a_full_block_of_one_flow_is_counted_right() -> None:
    frames = flood(tcp(ANN, BOB, 9, 80, "S"), BLOCK_PACKETS, {})
    found = flows(frames)
    assert len(found) == 1
    assert found.total("syn").tolist() == found.total("packets").tolist() == [BLOCK_PACKETS]


def test_amounts_are_not_cut_at_32_bits() -> None:
    frames = flood(tcp(ANN, BOB, 9, 80, "A", data=b"x"), 4, {})
    columns = {name: getattr(frames, name) for name in FrameBatch.__struct_fields__}
    columns["wire_bytes"] = np.full(4, 2**31 - 1, np.int32)
    assert flows(FrameBatch(**columns)).total("wire_bytes").tolist() == [4 * (2**31 - 1)]


def test_parts_of_a_window_merge_into_what_it_would_be_at_once() -> None:
    frames = many(2000)
    parts = [flows(piece) for piece in cut_at(frames, [300, 301, 1500])]
    together, at_once = merged(parts), flows(frames)
    for name in COLUMNS:
        assert np.array_equal(getattr(together, name), getattr(at_once, name)), name
    for name in SUMS:
        assert np.array_equal(together.total(name), at_once.total(name)), name


def test_few_flows_are_not_folded() -> None:
    found = flows(many(100))
    assert folded(found, 100, 0) is found


def test_folding_keeps_the_largest_flows_and_every_packet() -> None:
    loud = flood(tcp(ANN, BOB, 9, 80, data=b"x"), 50, {})
    whole = merged([flows(many(3000)), flows(loud)])
    found = folded(whole, 1000, 0)
    assert len(found) <= 1000
    assert totals(found) == totals(whole)
    assert (len(found) + found.folded.sum()) == len(whole)
    assert found.total("packets")[found.src_mac == ANN.mac_number].tolist() == [50]


def test_folding_forgets_the_senders_addresses_early_and_the_sender_last() -> None:
    spoofed = folded(flows(many(3000)), 1000, 0)
    assert (spoofed.src_mac == EVE.mac_number).all()
    assert (spoofed.dst_port == 80).all()


def test_folding_knows_how_many_addresses_a_row_stands_for() -> None:
    found = folded(flows(many(3000)), 1000, 0)
    assert len(found) + found.sources.sum() == 3000
    again = folded(merged([found, flows(many(3000, 2))]), 1000, 0)
    assert len(again) + again.sources.sum() == pytest.approx(6000, abs=10)


def test_many_ports_of_one_address_stay_one_address() -> None:
    """A host that refuses a scan of all its ports sends from thousands of ports, as itself."""
    drawn = np.random.default_rng(8)
    refusals = flood(
        tcp(BOB, EVE, 1, 43_210, "RA"), 3000, {(34, 2): drawn.permutation(60_000)[:3000]}
    )
    found = folded(flows(refusals), 1000, 0)
    assert len(found) <= 1000
    assert found.sources.sum() == 0
    assert set(found.src_ip_low.tolist()) == {flows(refusals).src_ip_low[0]}
    assert (len(found) + found.folded.sum()) == 3000


def test_a_flood_of_everything_still_fits() -> None:
    drawn = np.random.default_rng(4)
    count = 8000
    varied = {
        (0, 6): drawn.integers(0, 2**48, count) & ~(1 << 40),
        (6, 6): drawn.integers(1, 2**48, count),
        (26, 4): drawn.integers(1, 2**32, count),
        (30, 4): drawn.integers(1, 2**32, count),
        (34, 2): drawn.integers(1, 2**16, count),
        (36, 2): drawn.integers(1, 2**16, count),
    }
    whole = flows(flood(tcp(EVE, BOB, 1, 80, "S"), count, varied))
    found = folded(whole, 512, 0)
    assert len(found) <= 512
    assert totals(found) == totals(whole)


def test_one_sender_of_frames_to_invented_targets_becomes_one_row_of_its_own() -> None:
    drawn = np.random.default_rng(6)
    varied = {(0, 6): drawn.integers(0, 2**40, 3000), (30, 4): drawn.integers(1, 2**32, 3000)}
    scan = flood(tcp(EVE, BOB, 1, 80, "S"), 3000, varied)
    others = batch(every(0.001, [ping(Box(n), BOB) for n in range(100, 150)] * 2))
    found = folded(merged([flows(scan), flows(others)]), 500, 0)
    assert len(found) <= 500
    assert found.total("packets")[found.src_mac == EVE.mac_number].sum() == 3000
    assert (found.src_mac > 0).all()


def test_folding_again_adds_to_the_same_rows() -> None:
    found = folded(merged([folded(flows(many(3000, 1)), 1000, 0), flows(many(3000, 2))]), 1000, 0)
    assert len(found) <= 1000
    assert found.total("packets").sum() == 6000
    assert (found.src_ip_low == 0).sum() == 1


def test_flows_have_a_column_for_every_sum() -> None:
    found = flows(many(3))
    assert totals(found) == {**dict.fromkeys(SUMS, 0), **totals(found)}
    assert totals(found)["syn"] == 3


def test_columns_of_zeros_take_no_room() -> None:
    assert sorted(flows(many(3)).sums) == ["empty", "packets", "syn", "wire_bytes"]
    kinds = merged([flows(many(3)), flows(batch([(0, ping(ANN, BOB))]))])
    assert kinds.total("syn").tolist().count(1) == 3
