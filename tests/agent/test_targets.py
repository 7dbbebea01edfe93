"""Whom a sender turned to, where that is one peer alone."""

import pytest
from scapy.packet import Packet

from agent.verdicts import _aimed_at
from contract.cuts import Part
from tests.agent.builders import Box, Seen, every, observed, ping, tcp, udp

ANN, BOB, EVE = Box(1), Box(2), Box(3)
ROUTER = Box(9)


def aimed_at(seen: Seen, who: Box | str) -> Part | None:
    return _aimed_at(seen.rows, seen.row(who))


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
    seen = observed(every(0.001, syns(BOB, 100)))
    assert told(aimed_at(seen, ANN)) == flow(23)
    seen = observed(every(0.001, [udp(ANN, BOB, 20_000 + n, 53) for n in range(100)]))
    assert told(aimed_at(seen, ANN)) == flow(53, "udp")


def test_what_hits_many_services_of_one_peer_is_a_pair() -> None:
    seen = observed(every(0.001, [tcp(ANN, BOB, 20_000, n + 1, "S") for n in range(100)]))
    assert told(aimed_at(seen, ANN)) == {"kind": "pair", "peer_mac": BOB.mac}
    seen = observed(every(0.001, [ping(ANN, BOB)] * 100))
    assert told(aimed_at(seen, ANN)) == {"kind": "pair", "peer_mac": BOB.mac}


@pytest.mark.parametrize(("to_eve", "part"), [(10, "flow"), (12, None)])
def test_nine_of_ten_packets_have_to_go_to_the_peer(to_eve: int, part: str | None) -> None:
    frames = [*syns(BOB, 90), *syns(EVE, to_eve)]
    found = aimed_at(observed(every(0.001, frames)), ANN)
    assert (found and found.kind) == part


def test_who_streams_to_one_and_knocks_at_another_has_no_one_peer() -> None:
    stream = [udp(ANN, EVE, 5000, 554)] * 300
    seen = observed(every(0.001, [*stream, *syns(BOB, 10)]))
    assert aimed_at(seen, ANN) is None


def test_a_group_is_no_peer() -> None:
    everybody = Box(0, "255.255.255.255", mac="ff:ff:ff:ff:ff:ff")
    seen = observed(every(0.001, [udp(ANN, everybody, 5000, 9)] * 100))
    assert aimed_at(seen, ANN) is None
    seen = observed(every(0.001, [*[udp(ANN, everybody, 5000, 9)] * 100, *syns(BOB, 50)]))
    assert aimed_at(seen, ANN) is None


def test_two_senders_have_peers_of_their_own() -> None:
    others = [tcp(EVE, ANN, 30_000 + n, 80, "S") for n in range(50)]
    seen = observed(every(0.001, [*syns(BOB, 50), *others]))
    assert told(aimed_at(seen, ANN)) == flow(23)
    assert told(aimed_at(seen, EVE)) == {**flow(80), "peer_mac": ANN.mac}
