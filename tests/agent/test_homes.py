"""A MAC that shows up behind two bridge ports: the one who borrowed it is another host."""

from collections.abc import Iterable

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.homes import CAPACITY, HOME_SILENT_NS
from agent.observe import Observer
from agent.records import FrameBatch
from tests.agent.builders import (
    ANN,
    BOB,
    EVE,
    GATEWAY,
    SECOND,
    Box,
    Seen,
    Timed,
    batch,
    flood,
    in_order_of_time,
    in_pieces,
    joined,
    observed,
    tcp,
    udp,
)

LAN1, LAN2 = 0, 1


def at_port(port: int, timed: Iterable[Timed]) -> FrameBatch:
    """Return frames that come from a bridge port."""
    frames = batch(timed)
    return msgspec.structs.replace(frames, bridge_port=np.full(len(frames), port, np.int16))


def seen(*parts: FrameBatch) -> Seen:
    return observed(in_order_of_time(joined(*parts)))


def rows(found: Seen, mac: int, window: int) -> list[tuple[int, bool, int]]:
    """Return (bridge port, shared, packets) of the hosts that a MAC names."""
    table = found.rows
    start = batch([(window, udp(ANN, BOB))]).time_ns[0]
    mine = np.flatnonzero(
        (table.src_mac == mac) & ~table.is_ip_host & (table.window_start_ns == start)
    )
    return sorted(
        (int(table.bridge_port[r]), bool(table.shared_mac[r]), int(table.packets[r])) for r in mine
    )


def test_owner_and_borrower_of_a_mac_are_two_hosts() -> None:
    owner = [(0.0 + n / 10, udp(ANN, BOB)) for n in range(6)]
    borrower = [(0.3 + n / 10, tcp(ANN, BOB, dport=n, flags="S")) for n in range(3)]
    found = seen(at_port(LAN1, owner), at_port(LAN2, borrower))
    assert rows(found, ANN.mac_number, 0) == [(LAN1, True, 6), (LAN2, True, 3)]


def test_what_the_borrower_does_is_not_counted_for_the_owner() -> None:
    owner = [(0.0, udp(ANN, BOB)), (1.0, udp(ANN, BOB))]
    borrower = [(1.2 + n / 100, tcp(ANN, BOB, dport=n + 1, flags="S")) for n in range(50)]
    found = seen(at_port(LAN1, owner), at_port(LAN2, borrower))
    syn = found.rows.features[:, _index("sent_syn_1s")]
    by_port = dict(zip(found.rows.bridge_port.tolist(), syn.tolist(), strict=True))
    assert by_port == {LAN1: 0.0, LAN2: 50.0}


def _index(name: str) -> int:
    from contract.features import FEATURE_NAMES  # noqa: PLC0415

    return FEATURE_NAMES.index(name)


def test_a_mac_behind_one_bridge_port_is_its_host_s_alone() -> None:
    found = seen(at_port(LAN1, [(0.0, udp(ANN, BOB))]), at_port(LAN2, [(0.1, udp(BOB, ANN))]))
    assert rows(found, ANN.mac_number, 0) == [(LAN1, False, 1)]
    assert rows(found, BOB.mac_number, 0) == [(LAN2, False, 1)]


def test_a_host_that_moves_is_at_home_when_its_old_port_was_silent_for_a_minute() -> None:
    """What is sent to a MAC is received by the host that is at home."""
    later_s = HOME_SILENT_NS // SECOND + 1
    answers = [(at + 0.1, udp(BOB, ANN)) for at in (1.0, later_s)]
    found = seen(
        at_port(LAN1, [(0.0, udp(ANN, BOB)), *answers]),
        at_port(LAN2, [(1.0, udp(ANN, BOB)), (later_s + 0.0, udp(ANN, BOB))]),
    )
    at_lan2 = (found.rows.bridge_port == LAN2) & (found.rows.src_mac == ANN.mac_number)
    received = found.rows.features[at_lan2, _index("received_packets_1s")]
    assert received.tolist() == [0.0, 1.0]
    assert rows(found, ANN.mac_number, later_s) == [(LAN2, True, 1)]


def test_a_mac_is_shared_for_a_time_after_it_was_seen_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.homes.KEEP_NS", 30 * SECOND)
    both = [at_port(LAN1, [(0.0, udp(ANN, BOB))]), at_port(LAN2, [(0.1, udp(ANN, BOB))])]
    steps = [(at + 0.5, udp(ANN, BOB)) for at in (15, 30, 31)]
    found = seen(*both, at_port(LAN1, steps))
    assert [rows(found, ANN.mac_number, at)[0][1] for at in (15, 30, 31)] == [True, True, False]


def test_with_the_router_s_mac_from_another_port_nobody_speaks_for_a_host_behind_it() -> None:
    """Only the router is answered with the hop limits of hosts behind it."""
    far = "203.0.113.5"
    server = Box(0, far, mac=GATEWAY.mac)
    real = [
        (0.0, udp(server, ANN, ttl=57)),
        (0.1, udp(ANN, server)),
        (1.0, udp(server, ANN, ttl=57)),
    ]
    forged = [(1.2 + n / 100, udp(server, ANN, ttl=57)) for n in range(20)]
    found = seen(at_port(LAN1, real), at_port(LAN2, forged))
    behind = found.rows_of(far)
    assert set(found.rows.bridge_port[behind].tolist()) == {LAN1}
    assert rows(found, GATEWAY.mac_number, 1) == [(LAN2, True, 20)]


def test_invented_macs_are_bounded() -> None:
    observer = Observer()
    many = flood(
        udp(EVE, BOB), 3 * CAPACITY, {(6, 6): np.arange(3 * CAPACITY) * 2 + 2}, seconds=9.0
    )
    for frames in in_pieces(many, 16_384):
        observer.feed(frames)
    assert observer._homes.table.used <= observer._homes.table.capacity == CAPACITY


PLACES = st.tuples(st.integers(0, 400), st.sampled_from([ANN, BOB, EVE]), st.integers(0, 2))


@given(st.lists(PLACES, min_size=1, max_size=30))
def test_every_packet_is_counted_once_and_no_host_sends_from_two_ports(steps) -> None:
    parts = [at_port(port, [(float(at), udp(who, GATEWAY))]) for at, who, port in steps]
    found = seen(*parts)
    assert int(found.rows.packets.sum()) == len(steps)
    expected = {(at, who.mac_number, port) for at, who, port in steps}
    table = found.rows
    times = (table.window_start_ns - batch([(0, udp(ANN, BOB))]).time_ns[0]) // SECOND
    told = list(
        zip(times.tolist(), table.src_mac.tolist(), table.bridge_port.tolist(), strict=True)
    )
    assert sorted(told) == sorted(expected)
