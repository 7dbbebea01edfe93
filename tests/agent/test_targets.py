"""Whom a sender turned to, where that is one peer alone."""

import numpy as np
import pytest
from scapy.packet import Packet

from agent.observe import Closed
from agent.targets import targets
from contract.cuts import Part
from tests.agent.builders import Box, closed, every, ping, tcp, udp

ANN, BOB, EVE = Box(1), Box(2), Box(3)
ROUTER = Box(9)


def aim(window: Closed, who: Box) -> Part | None:
    (row,) = np.flatnonzero(window.observations.src_mac == who.mac_number)
    return targets(window, window.host[[row]]).part(int(row))


def flow(port: int, protocol: str = "tcp") -> dict[str, object]:
    return {"kind": "flow", "peer_mac": BOB.mac, "protocol": protocol, "port": port}


def told(part: Part | None) -> dict[str, object] | None:
    if part is None:
        return None
    return {
        name: value
        for name in part.__struct_fields__
        if (value := getattr(part, name)) is not None
    }


def syns(to: Box, count: int, port: int = 23) -> list[Packet]:
    return [tcp(ANN, to, 20_000 + n, port, "S") for n in range(count)]


def test_a_flood_at_one_service_is_a_flow() -> None:
    window = closed(every(0.001, syns(BOB, 100)))
    assert told(aim(window, ANN)) == flow(23)
    window = closed(every(0.001, [udp(ANN, BOB, 20_000 + n, 53) for n in range(100)]))
    assert told(aim(window, ANN)) == flow(53, "udp")


def test_what_hits_many_services_of_one_peer_is_a_pair() -> None:
    window = closed(every(0.001, [tcp(ANN, BOB, 20_000, n + 1, "S") for n in range(100)]))
    assert told(aim(window, ANN)) == {"kind": "pair", "peer_mac": BOB.mac}
    window = closed(every(0.001, [ping(ANN, BOB)] * 100))
    assert told(aim(window, ANN)) == {"kind": "pair", "peer_mac": BOB.mac}


@pytest.mark.parametrize(("to_eve", "part"), [(10, "flow"), (12, None)])
def test_nine_of_ten_packets_have_to_go_to_the_peer(to_eve: int, part: str | None) -> None:
    frames = [*syns(BOB, 90), *syns(EVE, to_eve)]
    found = aim(closed(every(0.001, frames)), ANN)
    assert (found and found.kind) == part


def test_who_streams_to_one_and_knocks_at_another_has_no_one_peer() -> None:
    stream = [udp(ANN, EVE, 5000, 554)] * 300
    window = closed(every(0.001, [*stream, *syns(BOB, 10)]))
    assert aim(window, ANN) is None


def test_a_group_is_no_peer() -> None:
    everybody = Box(0, "255.255.255.255", mac="ff:ff:ff:ff:ff:ff")
    window = closed(every(0.001, [udp(ANN, everybody, 5000, 9)] * 100))
    assert aim(window, ANN) is None
    window = closed(every(0.001, [*[udp(ANN, everybody, 5000, 9)] * 100, *syns(BOB, 50)]))
    assert aim(window, ANN) is None


def test_two_senders_have_peers_of_their_own() -> None:
    others = [tcp(EVE, ANN, 30_000 + n, 80, "S") for n in range(50)]
    window = closed(every(0.001, [*syns(BOB, 50), *others]))
    assert told(aim(window, ANN)) == flow(23)
    assert told(aim(window, EVE)) == {**flow(80), "peer_mac": ANN.mac}
