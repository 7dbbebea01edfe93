"""Who talks to whom: what a cut would take away."""

import msgspec
import numpy as np
import pytest

from agent.observe import Observer
from agent.peers import Critical, Peers, Radius
from contract.messages import MAX_LOSSES, Loss
from runtime.errors import ConfigError
from tests.agent.builders import (
    ANN,
    BOB,
    EVE,
    GATEWAY,
    SECOND,
    Box,
    batch,
    flood,
    in_order_of_time,
    joined,
    tcp,
    udp,
)
from tests.agent.conversations import MINUTE, lasting, learned, talk

PLC = Box(50)


def radius(peers: Peers, who: Box, *critical: str, attack_s: int = 0) -> Radius:
    return peers.radius(who.mac, None, attack_s * SECOND, [Critical.of(text) for text in critical])


def test_a_cut_names_the_services_that_are_lost_and_from_whom() -> None:
    peers = learned(lasting(ANN, PLC), lasting(BOB, ANN, port=8080))
    found = radius(peers, ANN)
    of_plc = Loss(peer_mac=PLC.mac, peer_ip=PLC.ip, protocol="tcp", port=502, serves=False)
    for_bob = Loss(peer_mac=BOB.mac, peer_ip=BOB.ip, protocol="tcp", port=8080, serves=True)
    assert sorted(found.losses, key=lambda loss: loss.port) == [of_plc, for_bob]
    assert (found.further, found.clients) == (0, 1)
    assert radius(peers, EVE) == Radius([], 0, 0, None)


def test_a_cut_of_an_address_behind_a_router_takes_away_what_that_address_had() -> None:
    far = Box(1, "203.0.113.5")  # with the gateway's MAC
    peers = learned(lasting(far, PLC), lasting(ANN, GATEWAY, port=443))
    found = peers.radius(None, far.ip, 0)
    assert [loss.port for loss in found.losses] == [502]


def test_who_only_scans_or_is_not_answered_has_no_peers() -> None:
    scan = [(at, tcp(EVE, PLC, 40_000 + at, 502, "S")) for at in range(0, 600, 20)]
    refused = [(at + 0.1, tcp(PLC, EVE, 502, 40_000 + at, "RA")) for at in range(0, 600, 20)]
    shouting = [(at + 0.2, udp(EVE, PLC, data=b"x")) for at in range(0, 600, 20)]
    assert radius(learned(scan, refused, shouting), EVE).losses == []


def test_what_an_attack_itself_says_to_somebody_is_no_loss() -> None:
    brute_force = [frame for at in range(560, 600) for frame in talk(EVE, PLC, at)]
    assert radius(learned(lasting(ANN, PLC), brute_force), EVE).losses == []
    # Nor what was said seldom, however long ago.
    seldom = talk(EVE, PLC, 0) + talk(EVE, PLC, 300)
    assert radius(learned(lasting(ANN, PLC), seldom), EVE).losses == []
    # Nor when it has gone on for long: what there was before it began counts.
    peers = learned(lasting(ANN, PLC))
    assert len(radius(peers, ANN, attack_s=MINUTE).losses) == 1
    assert radius(peers, ANN, attack_s=10 * MINUTE).losses == []


def test_the_loss_of_a_critical_host_or_service_is_named_as_it_was_written() -> None:
    peers = learned(lasting(ANN, PLC), lasting(BOB, GATEWAY, port=443))
    for text in (PLC.mac, PLC.ip, "192.168.1.48/28", f"{PLC.ip} tcp/502", "tcp/502"):
        assert radius(peers, ANN, "udp/53", text).critical == text
        assert radius(peers, BOB, text).critical is None
    assert radius(peers, ANN, f"{PLC.ip} tcp/503", "192.168.2.0/24", EVE.mac).critical is None
    # Who is critical itself is lost too.
    assert radius(peers, PLC, PLC.ip).critical == PLC.ip


def test_who_serves_is_told_by_how_many_hosts_use_it() -> None:
    peers = learned(*(lasting(Box(100 + number), PLC) for number in range(20)))
    found = radius(peers, PLC)
    assert found.clients == 20
    assert (len(found.losses), found.further) == (MAX_LOSSES, 20 - MAX_LOSSES)


def test_changing_ports_of_clients_are_one_conversation() -> None:
    frames = [f for at in range(0, 600, 20) for f in talk(ANN, PLC, at, 44_818, 50_000 + at)]
    assert [loss.port for loss in radius(learned(frames), ANN).losses] == [0]


def test_invented_peers_push_out_themselves_first_and_are_counted() -> None:
    observer = Observer()
    observer.feed(batch(lasting(ANN, PLC)))
    for second in range(3):
        last = np.random.default_rng(second).integers(1, 2**32, 12_000)
        asked = flood(tcp(EVE, BOB, 40_000, 80, "PA", data=b"x"), 12_000, {(26, 4): last})
        told = flood(tcp(BOB, EVE, 80, 40_000, "PA", data=b"x"), 12_000, {(30, 4): last})
        both = in_order_of_time(joined(asked, told))
        later = (560 + second) * SECOND
        observer.feed(msgspec.structs.replace(both, time_ns=both.time_ns + later))
    observer.flush()
    counters = observer.counters()
    assert counters["evicted.peers"] + counters["refused.peers"] > 0
    assert len(radius(observer.peers, ANN).losses) == 1


@pytest.mark.parametrize("text", ["", "plc", "192.168.1.1 502", "a b tcp/502", "tcp/99999999"])
def test_what_is_critical_and_cannot_be_read_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ConfigError, match="critical"):
        Critical.of(text)
