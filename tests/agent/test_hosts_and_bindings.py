"""Who is a host, which address is its own, and to whom the counters of an attack belong."""

import numpy as np
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from agent.addresses import ip_text, mac_text
from agent.observe import Observer
from agent.records import FrameBatch
from tests.agent.builders import (
    ANN,
    BOB,
    BROADCAST,
    EVE,
    GATEWAY,
    SECOND,
    Box,
    Seen,
    Timed,
    batch,
    ether,
    every,
    flood,
    handshake,
    in_order_of_time,
    is_at,
    joined,
    mapped,
    observed,
    ping,
    tcp,
    udp,
    who_has,
)

SERVER, OTHER_SERVER = "203.0.113.5", "198.51.100.9"


def behind(gateway: Box, ip: str) -> Box:
    """A machine on the Internet as the LAN sees it: its IP, the gateway's MAC."""
    return Box(0, ip, mac=gateway.mac)


def conversation(client: Box, server: Box, *, ttl: int, sport: int = 40_000) -> list[Packet]:
    """A request and its answer, the server `ttl` hops away."""
    return [
        tcp(client, server, sport, 443, "S"),
        tcp(server, client, 443, sport, "SA", ttl=ttl),
        tcp(client, server, sport, 443, "PA", data=b"GET / HTTP/1.1"),
        tcp(server, client, 443, sport, "PA", data=b"HTTP/1.1 200", ttl=ttl),
    ]


def name_of(seen: Seen, row: int) -> str | None:
    return ip_text(int(seen.rows.src_ip_high[row]), int(seen.rows.src_ip_low[row]))


def macs_of(seen: Seen) -> set[str]:
    return {mac_text(int(mac)) for mac in seen.rows.src_mac[~seen.rows.is_ip_host]}


# --- gateways and the hosts behind them


def test_a_server_behind_the_gateway_is_a_host_of_its_own_named_by_its_ip() -> None:
    seen = observed(every(0.01, conversation(ANN, behind(GATEWAY, SERVER), ttl=53)))
    row = seen.row(SERVER)
    assert name_of(seen, row) == SERVER
    assert seen.count("sent_syn_ack", SERVER) == 1
    assert macs_of(seen) == {ANN.mac}


def test_two_servers_behind_one_gateway_are_told_apart() -> None:
    frames = conversation(ANN, behind(GATEWAY, SERVER), ttl=53)
    frames += conversation(ANN, behind(GATEWAY, OTHER_SERVER), ttl=110, sport=40_001)
    frames += conversation(BOB, behind(GATEWAY, SERVER), ttl=53, sport=40_002)
    seen = observed(every(0.01, frames))
    assert seen.count("sent_packets", SERVER) == 4
    assert seen.count("sent_packets", OTHER_SERVER) == 2


def test_the_gateway_itself_stays_a_mac_beside_the_hosts_behind_it() -> None:
    frames = conversation(ANN, behind(GATEWAY, SERVER), ttl=53)
    frames += [who_has(GATEWAY, ANN.ip), ping(GATEWAY, ANN), is_at(ANN, GATEWAY)]
    seen = observed(every(0.01, frames))
    assert name_of(seen, seen.row(GATEWAY)) == GATEWAY.ip
    assert seen.count("sent_packets", GATEWAY) == 2


def test_what_a_client_sends_to_a_server_behind_the_gateway_is_received_by_the_server() -> None:
    seen = observed(every(0.01, conversation(ANN, behind(GATEWAY, SERVER), ttl=53)))
    assert seen.count("received_packets", SERVER) == 2
    assert seen.count("received_packets", ANN) == 2


def test_a_machine_on_the_link_with_an_odd_hop_limit_stays_a_mac_once_it_spoke_arp() -> None:
    frames = [who_has(BOB, ANN.ip), *conversation(ANN, BOB, ttl=61)]
    seen = observed(every(0.01, frames))
    assert seen.rows.is_ip_host.sum() == 0


def test_several_addresses_of_one_mac_on_the_link_are_one_host() -> None:
    second = Box(10, "192.168.1.110")
    frames = [*handshake(ANN, BOB, 40_000), *handshake(second, BOB, 40_001)]
    seen = observed(every(0.01, frames))
    assert len(seen.rows_of(ANN)) == 1
    assert seen.count("source_addresses", ANN) == 2
    assert seen.count("foreign_source", ANN) == 0


def test_a_nat_box_is_one_host_with_the_flows_of_all_behind_it() -> None:
    frames = [f for n in range(20) for f in handshake(ANN, BOB, 40_000 + n)]
    seen = observed(every(0.01, frames))
    assert seen.count("sent_syn", ANN) == 20
    assert seen.count("source_addresses", ANN) == 1


# --- who holds an address


def poisoning(at_s: float) -> list[Timed]:
    """Eve tells Ann and the gateway that she is the other one, then relays."""
    lies = [is_at(EVE, ANN, claim=GATEWAY.ip), is_at(EVE, GATEWAY, claim=ANN.ip)]
    relayed = [
        udp(ANN, Box(66, GATEWAY.ip), 5001, 53, b"through eve 1"),
        udp(Box(66, ANN.ip), GATEWAY, 5001, 53, b"through eve 1"),
        udp(GATEWAY, Box(66, ANN.ip), 53, 5001, b"through eve 2"),
        udp(Box(66, GATEWAY.ip), ANN, 53, 5001, b"through eve 2"),
    ]
    return every(0.01, [*lies, *relayed], at_s)


def peace() -> list[Timed]:
    return every(
        0.01, [who_has(ANN, GATEWAY.ip), is_at(GATEWAY, ANN), *handshake(ANN, GATEWAY, 40)]
    )


def test_a_poisoner_never_becomes_the_holder_of_an_address_in_use() -> None:
    frames = [*peace(), *(f for at in range(1, 50) for f in poisoning(at))]
    seen = observed(frames)
    for window in (1, 20, 49):
        assert seen.count("conflicting_claims", EVE, window) == 2
        assert seen.count("foreign_source", EVE, window) == 2
        assert seen.count("misdirected", EVE, window) == 2


def test_the_victims_of_a_poisoner_are_not_blamed() -> None:
    seen = observed([*peace(), *(f for at in range(1, 50) for f in poisoning(at))])
    for victim in (ANN, GATEWAY):
        for counter in ("conflicting_claims", "foreign_source", "misdirected", "unasked_claims"):
            assert seen.rows.features[seen.rows_of(victim)][:, _index(counter)].sum() == 0


def test_a_poisoner_who_spoke_first_gives_way_to_the_one_who_uses_the_address() -> None:
    lie = is_at(EVE, ANN, claim=GATEWAY.ip)
    frames = [(0, lie), (1, ping(GATEWAY, ANN)), (2, lie), (2.1, ping(GATEWAY, ANN))]
    seen = observed(frames)
    assert seen.count("conflicting_claims", EVE, 2) == 1
    assert (
        seen.count("foreign_source", GATEWAY, 1) == seen.count("foreign_source", GATEWAY, 2) == 0
    )


def test_in_one_window_the_user_of_an_address_holds_it_whoever_came_first() -> None:
    seen = observed(every(0.01, [is_at(EVE, ANN, claim=GATEWAY.ip), ping(GATEWAY, ANN)]))
    assert seen.count("conflicting_claims", EVE) == 1
    assert seen.count("foreign_source", GATEWAY) == 0


def test_an_address_that_was_silent_for_a_minute_may_move() -> None:
    heir = Box(30, ANN.ip)
    frames = [(0, ping(ANN, BOB)), (70, ping(heir, BOB)), (71, ping(heir, BOB))]
    seen = observed(frames)
    assert seen.count("foreign_source", heir, 70) == 0
    assert name_of(seen, seen.row(heir, 71)) == ANN.ip


def test_an_address_in_use_does_not_move() -> None:
    thief = Box(30, ANN.ip)
    frames: list[Timed] = [(float(at), ping(ANN, BOB)) for at in range(0, 90, 30)]
    seen = observed(sorted([*frames, (65.0, ping(thief, BOB))], key=lambda timed: timed[0]))
    assert seen.count("foreign_source", thief, 65) == 1


def test_the_unspecified_and_group_addresses_belong_to_nobody() -> None:
    def probe(box: Box) -> Packet:
        return who_has(box, "192.168.1.50", claim="0.0.0.0")  # noqa: S104

    seen = observed(every(0.01, [probe(ANN), probe(BOB), probe(EVE)]))
    assert seen.total("conflicting_claims") == 0


def test_neighbour_advertisements_bind_like_arp() -> None:
    address = "fe80::10"

    def advertise(box: Box) -> Packet:
        head = ether(box, BOB) / IPv6(src=address, dst="fe80::11", hlim=255)
        return head / ICMPv6ND_NA(tgt=address)

    def used() -> Packet:
        return ether(ANN, BOB) / IPv6(src=address, dst="fe80::11") / ICMPv6EchoRequest()

    seen = observed(every(0.01, [used(), advertise(EVE), used()]))
    assert seen.count("conflicting_claims", EVE) == 1
    assert seen.count("foreign_source", ANN) == 0


@pytest.mark.parametrize(
    "head",
    [
        IPv6(src="2001:db8::9", dst="fe80::11", hlim=64),
        IP(src="203.0.113.9", dst=BOB.ip, proto=58),
    ],
    ids=["routed", "in IPv4"],
)
def test_an_advertisement_that_may_come_from_afar_claims_nothing(head: Packet) -> None:
    seen = observed([(0, ether(GATEWAY, BOB) / head / ICMPv6ND_NA(tgt="fe80::10"))])
    assert seen.count("claimed_addresses", GATEWAY) == 0


def test_an_ipv6_machine_with_many_addresses_is_one_host() -> None:
    addresses = ["fe80::10", "2001:db8::10", "2001:db8::a1", "2001:db8::a2"]
    frames = [
        ether(ANN, BOB) / IPv6(src=address, dst="2001:db8::11") / UDP(sport=9, dport=9)
        for address in addresses
    ]
    asks = [
        ether(ANN, BROADCAST) / IPv6(src=address, dst="ff02::1:ff00:11", hlim=255) / ICMPv6ND_NS()
        for address in addresses
    ]
    seen = observed(every(0.01, [*asks, *frames]))
    assert len(seen) == 1
    assert seen.count("source_addresses", ANN) == 4


# --- floods


def test_a_flood_of_invented_addresses_does_not_free_that_of_a_quiet_neighbour() -> None:
    storms = [spoofed_syns(60_000, np.random.default_rng(at)) for at in range(3)]
    storm = joined(*(shifted(each, 5 + at) for at, each in enumerate(storms)))
    calm = batch([(float(at), ping(GATEWAY, ANN)) for at in range(3)])
    theft = batch([(9, ping(Box(66, GATEWAY.ip), ANN))])
    seen = observed(joined(calm, storm, theft))
    assert seen.count("foreign_source", EVE, 9) == 1


def shifted(frames: FrameBatch, seconds: int) -> FrameBatch:
    columns = {name: getattr(frames, name) for name in FrameBatch.__struct_fields__}
    columns["time_ns"] = frames.time_ns + seconds * SECOND
    return FrameBatch(**columns)


def spoofed_syns(count: int, rng: np.random.Generator, *, ttl: int = 64) -> FrameBatch:
    sources = rng.integers(0x0B000000, 0xDF000000, count)
    ports = rng.integers(1024, 65536, count)
    template = tcp(EVE, BOB, 1, 80, "S", ttl=ttl)
    return flood(template, count, {(26, 4): sources, (34, 2): ports})


@pytest.mark.parametrize("ttl", [64, 201])
def test_a_flood_from_invented_addresses_stays_with_its_mac(ttl: int) -> None:
    frames = spoofed_syns(20_000, np.random.default_rng(1), ttl=ttl)
    seen = observed(frames)
    assert len(seen) == 1
    assert seen.count("sent_syn", EVE) == 20_000
    assert seen.count("source_addresses", EVE) == pytest.approx(20_000, rel=0.01)


def test_the_victim_of_a_spoofed_flood_is_not_its_author() -> None:
    syns = spoofed_syns(5000, np.random.default_rng(2))
    answers = flood(
        tcp(BOB, GATEWAY, 80, 1, "SA"),
        5000,
        {(30, 4): np.random.default_rng(2).integers(0x0B000000, 0xDF000000, 5000)},
    )
    seen = observed(in_order_of_time(joined(syns, answers)))
    assert seen.count("received_syn", BOB) == 5000
    assert seen.count("sent_syn", BOB) == 0
    assert seen.count("contacted_hosts", BOB) == seen.count("new_services", BOB) == 0


def test_a_flood_in_the_name_of_a_neighbour_is_not_the_neighbours() -> None:
    frames = every(0.001, [tcp(Box(66, ANN.ip), BOB, 1000 + n, 80, "S") for n in range(200)], 1)
    seen = observed([(0, ping(ANN, BOB)), *frames, (1.5, ping(ANN, BOB))])
    assert seen.count("sent_syn", EVE, 1) == 200
    assert seen.count("sent_syn", ANN, 1) == 0
    assert name_of(seen, seen.row(EVE, 1)) is None  # she used no address of her own
    assert name_of(seen, seen.row(ANN, 1)) == ANN.ip


# --- names


def test_a_host_is_named_by_the_address_it_used_most() -> None:
    seen = observed(every(0.01, [ping(Box(10, "10.0.0.7"), BOB), *[ping(ANN, BOB)] * 3]))
    assert name_of(seen, seen.row(ANN)) == ANN.ip


def test_a_host_that_says_nothing_of_its_address_keeps_the_one_it_had() -> None:
    silent = is_at(ANN, BOB, claim="192.168.1.99")
    seen = observed([(0, ping(ANN, BOB)), (5, silent)])
    assert name_of(seen, seen.row(ANN, 5)) == ANN.ip


def test_a_link_local_address_never_hides_the_one_a_host_is_known_by() -> None:
    solicits = Ether(src=ANN.mac, dst="33:33:00:00:00:02") / IPv6(
        src="fe80::1:2", dst="ff02::2", hlim=255
    )
    alone = observed([(0.0, solicits / ICMPv6EchoRequest())])
    assert name_of(alone, 0) == "fe80::1:2"
    seen = observed([(0.0, ping(ANN, BOB)), (1.0, solicits / ICMPv6EchoRequest())])
    assert [name_of(seen, row) for row in range(len(seen.rows))] == [ANN.ip, ANN.ip]


def test_who_only_received_does_not_inherit_the_name_of_a_sender() -> None:
    frames: list[Timed] = [(0, ping(ANN, BOB)), (0.1, ping(BOB, ANN)), (1, ping(ANN, BOB))]
    nameless = ether(BOB, ANN) / IP(src="0.0.0.0", dst=ANN.ip, proto=99)  # noqa: S104
    seen = observed([*frames, (2, nameless)])
    assert name_of(seen, seen.row(BOB, 2)) == BOB.ip


def test_a_host_that_never_used_an_address_has_none() -> None:
    seen = observed([(0, ether(ANN, BROADCAST) / b"\x88\xcc" / bytes(60))])
    assert name_of(seen, seen.row(ANN)) is None


def test_an_arp_request_names_its_sender_but_a_false_reply_does_not() -> None:
    seen = observed([(0, who_has(ANN, BOB.ip)), (0.1, is_at(EVE, ANN, claim=BOB.ip))])
    assert name_of(seen, seen.row(ANN)) == ANN.ip
    assert name_of(seen, seen.row(EVE)) is None


def test_the_target_of_a_host_is_the_one_it_sent_most_to() -> None:
    seen = observed(every(0.01, [ping(ANN, EVE), *[ping(ANN, BOB)] * 3]))
    assert seen.rows.dst_ip_low[seen.row(ANN)] == mapped(BOB.ip)


# --- crowds, and frames without MACs


def crowd(count: int) -> list[Packet]:
    return [ping(Box(1000 + n, f"10.1.{n >> 8}.{n & 255}"), BOB) for n in range(count)]


def test_of_a_crowd_the_largest_are_judged_alone_and_the_others_together() -> None:
    loud = [ping(ANN, BOB)] * 5
    seen = observed(every(0.001, [*crowd(100), *loud]), max_hosts=16)
    assert len(seen) == 17
    assert seen.count("sent_packets", ANN) == 5
    assert seen.count("sent_packets", Box(0, mac="00:00:00:00:00:00")) == 100 - 15
    assert seen.observer.counters()["hosts.in_remainder"] == 100 - 15
    assert seen.rows.packets.sum() == 105


def test_a_remainder_has_no_address() -> None:
    seen = observed(every(0.001, crowd(100)), max_hosts=16)
    assert name_of(seen, seen.row(Box(0, mac="00:00:00:00:00:00"))) is None


def test_frames_without_macs_are_told_apart_by_their_addresses() -> None:
    nobody = "00:00:00:00:00:00"
    left, right = Box(0, "10.8.0.1", mac=nobody), Box(0, "10.8.0.2", mac=nobody)
    seen = observed(every(0.01, handshake(left, right, 40_000)))
    assert seen.count("sent_syn", "10.8.0.1") == 1
    assert seen.count("received_syn", "10.8.0.2") == 1


def test_a_frame_without_mac_blames_no_neighbour_whose_address_it_borrows() -> None:
    nobody = Box(0, ANN.ip, mac="00:00:00:00:00:00")
    attack = [tcp(nobody, BOB, 1000 + n, 80, "S") for n in range(50)]
    seen = observed(every(0.001, [ping(ANN, BOB), *attack]))
    assert len(seen.rows_of(ANN.ip)) == 0
    assert seen.count("sent_syn", ANN) == 0


def test_a_table_that_is_full_of_hosts_gives_nobody_the_history_of_another() -> None:
    observer = Observer(max_hosts=16)
    many = [every(0.0001, crowd(400), at) for at in range(3)]
    seen = observed([f for frames in many for f in frames], observer=observer)
    sent = seen.rows.features[:, _index("sent_packets", 60)]
    alone = seen.rows.src_mac > 0
    assert (sent[alone] <= 3).all()


def test_flows_of_tcp_to_a_port_count_for_the_sender_alone() -> None:
    frames = [ether(ANN, BOB) / IP(src=ANN.ip, dst=BOB.ip) / TCP(flags="S", dport=23)]
    seen = observed(every(0.01, frames))
    assert len(seen) == 1


def _index(counter: str, horizon: int = 1) -> int:
    from contract.features import FEATURE_NAMES  # noqa: PLC0415

    return FEATURE_NAMES.index(f"{counter}_{horizon}s")
