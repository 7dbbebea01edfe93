"""Frames are labelled by who sent what within which flow, never by time alone."""

from model_training.lab.frames import ICMP, TCP, UDP
from model_training.lab.labels import (
    ArpSweep,
    DhcpClaims,
    Echo,
    Flows,
    Interception,
    Label,
    SpoofedFlood,
    count_classes,
    digest,
    label_frames,
    write_labels,
)
from tests.lab.crafted import (
    ATTACKER,
    ATTACKER_IP,
    EVERYONE,
    ROUTER,
    ROUTER_IP,
    VICTIM,
    VICTIM_IP,
    WORLD_IP,
    about,
    arp,
    attacker,
    icmp,
    ip_packet,
    tcp,
    udp,
    victim,
)

BENIGN = Label()
NO_IP = "0.0.0.0"  # noqa: S104  (the sender of an address probe)


def subs(frames, *claims):
    return [label.sub for label in label_frames(frames, claims)]


def test_a_scanned_port_and_its_answer_are_the_attack_and_the_answer_says_so():
    scan = Flows(**about("Scan"), protocol=TCP, peers=(VICTIM_IP,))
    probe = tcp(11, attacker(), victim(22))
    refusal = tcp(11.1, victim(22), attacker(), flags=0x14)

    assert label_frames([probe, refusal], [scan]) == [
        Label("Scan", "it"),
        Label("Scan", "it_response"),
    ]


def test_a_flow_that_was_there_before_the_attack_stays_benign_during_it():
    scan = Flows(**about("Scan"), protocol=TCP, peers=(VICTIM_IP,))
    before = tcp(5, attacker(), victim())
    during = tcp(12, attacker(), victim(), flags=0x18, payload=b"GET /")

    assert label_frames([before, during], [scan]) == [BENIGN, BENIGN]


def test_a_flow_keeps_its_label_after_the_tool_has_ended():
    scan = Flows(**about("Scan"), protocol=TCP, peers=(VICTIM_IP,))

    assert subs([tcp(19, attacker(), victim()), tcp(25, attacker(), victim())], scan) == [
        "it",
        "it",
    ]


def test_the_same_ports_used_again_after_a_long_silence_are_another_flow():
    scan = Flows(**about("Scan"), protocol=TCP, peers=(VICTIM_IP,))

    assert subs([tcp(12, attacker(), victim()), tcp(60, attacker(), victim())], scan) == ["it", ""]


def test_where_two_claims_fit_the_first_one_names_the_frame():
    login = Flows(**about("Botnet", sub="login"), protocol=TCP, ports=(23,))
    scan = Flows(**about("Botnet", sub="scan"), protocol=TCP)
    frames = [tcp(11, attacker(), victim(23)), tcp(11, attacker(), victim(80))]

    assert subs(frames, login, scan) == ["login", "scan"]


def test_what_others_and_other_endpoints_do_in_the_same_second_is_benign():
    guess = Flows(**about("BruteForce"), protocol=TCP, peers=(VICTIM_IP,), ports=(23,))
    neighbour = tcp(11, ("aa:00:00:00:00:77", "10.0.0.77", 40_000), victim(23))
    elsewhere = tcp(11, attacker(), victim(80))
    by_udp = udp(11, attacker(), victim(23), b"x")
    called = tcp(11, victim(50_000), attacker(23))
    other_victim = tcp(11, attacker(), (ROUTER, ROUTER_IP, 23))
    same_address = tcp(11, ("aa:00:00:00:00:77", ATTACKER_IP, 40_001), victim(23))
    frames = [neighbour, elsewhere, by_udp, called, other_victim, same_address]

    assert label_frames(frames, [guess]) == [BENIGN] * len(frames)


def test_honest_flows_to_a_scanned_endpoint_are_told_apart_by_their_data():
    spared = ((VICTIM_IP, 80),)
    scan = Flows(**about("Scan"), protocol=TCP, peers=(VICTIM_IP,), spared=spared)
    probe = tcp(11, attacker(40_000), victim())
    honest = tcp(12, attacker(40_001), victim())
    request = tcp(12.1, attacker(40_001), victim(), flags=0x18, payload=b"GET /")

    assert subs([probe, honest, request], scan) == ["it", "", ""]


def test_a_replayed_command_is_known_by_its_contents_and_a_session_by_its_local_port():
    contents = Flows(**about("Replay"), protocol=TCP, contents=b"unlock")
    ports = Flows(**about("Replay", sub="session"), protocol=TCP, local_ports=(41_000,))
    frames = [
        tcp(11, attacker(40_000), victim(1883)),
        tcp(11.1, attacker(40_000), victim(1883), flags=0x18, payload=b"..unlock"),
        tcp(12, attacker(41_000), victim(1883)),
        tcp(12, attacker(42_000), victim(1883)),
    ]

    assert subs(frames, contents, ports) == ["it", "it", "session", ""]


def test_an_icmp_error_about_a_probe_is_an_answer_to_it():
    scan = Flows(**about("Scan"), protocol=UDP, peers=(VICTIM_IP,))
    probe = udp(11, attacker(), victim(161), b"public")
    quoted = ip_packet(UDP, ATTACKER_IP, VICTIM_IP, probe.raw[34:42])
    error = icmp(11.1, (VICTIM, VICTIM_IP), (ATTACKER, ATTACKER_IP), 3, quoted)

    assert subs([probe, error], scan) == ["it", "it_response"]


def test_an_echo_request_and_its_reply_are_one_flow():
    flood = Flows(**about("DOS"), protocol=ICMP, peers=(VICTIM_IP,))
    request = icmp(11, (ATTACKER, ATTACKER_IP), (VICTIM, VICTIM_IP), 8, b"")
    reply = icmp(11.1, (VICTIM, VICTIM_IP), (ATTACKER, ATTACKER_IP), 0, b"")

    assert subs([request, reply], flood) == ["it", "it_response"]


def test_a_flood_under_false_addresses_and_its_backscatter_are_found_by_the_mac():
    flood = SpoofedFlood(**about("DOS"), protocol=TCP)
    forged = tcp(11, attacker(1000, "7.7.7.7"), victim())
    backscatter = tcp(11.1, victim(), (ROUTER, "7.7.7.7", 1000), flags=0x12)
    honest = tcp(11, attacker(), victim())

    found = subs([forged, backscatter, honest], flood)

    assert found == ["it", "flood_backscatter_response", ""]


def test_a_sweep_is_broadcast_questions_but_not_those_about_honest_peers():
    sweep = ArpSweep(**about("Scan"), spared=(ROUTER_IP,))
    own = (ATTACKER, ATTACKER_IP)
    frames = [
        arp(11, (ATTACKER, EVERYONE), 1, own, "10.0.0.99"),
        arp(11, (ATTACKER, EVERYONE), 1, own, ROUTER_IP),
        arp(11, (ATTACKER, VICTIM), 1, own, VICTIM_IP),
        arp(30, (ATTACKER, EVERYONE), 1, own, "10.0.0.98"),
        arp(11, (VICTIM, EVERYONE), 1, (VICTIM, VICTIM_IP), "10.0.0.98"),
    ]

    assert subs(frames, sweep) == ["it", "", "", "", ""]


def test_a_mitm_is_its_forgeries_and_every_frame_through_it():
    attack = Interception(**about("MITM"), own_ips=(ATTACKER_IP,))
    to_world, from_world = (VICTIM, VICTIM_IP, 40_000), (ROUTER, WORLD_IP, 80)
    frames = [
        arp(11, (ATTACKER, VICTIM), 2, (ATTACKER, ROUTER_IP), VICTIM_IP),
        arp(11, (ATTACKER, VICTIM), 1, (ATTACKER, ROUTER_IP), VICTIM_IP),
        arp(11, (VICTIM, ATTACKER), 2, (VICTIM, VICTIM_IP), ROUTER_IP),
        tcp(12, to_world, (ATTACKER, WORLD_IP, 80)),
        tcp(12, (ATTACKER, VICTIM_IP, 40_000), from_world),
        icmp(13, (ATTACKER, ATTACKER_IP), (VICTIM, VICTIM_IP), 5, b""),
        arp(21, (ATTACKER, VICTIM), 2, (ROUTER, ROUTER_IP), VICTIM_IP),
    ]

    assert subs(frames, attack) == [
        "forged_arp_reply",
        "forged_arp_request",
        "forged_arp_request_response",
        "intercepted_to_attacker",
        "relayed_by_attacker",
        "icmp_redirect_from_attacker",
        "arp_repair_by_attacker",
    ]


def test_what_the_man_in_the_middle_does_for_itself_is_benign():
    attack = Interception(**about("MITM"), own_ips=(ATTACKER_IP,))
    frames = [
        arp(11, (ATTACKER, EVERYONE), 1, (ATTACKER, ATTACKER_IP), ROUTER_IP),
        arp(11, (ROUTER, ATTACKER), 2, (ROUTER, ROUTER_IP), ATTACKER_IP),
        arp(11, (ATTACKER, EVERYONE), 1, (ATTACKER, NO_IP), ATTACKER_IP),
        udp(12, attacker(), (ROUTER, ROUTER_IP, 53), b"query"),
        udp(12, (ROUTER, ROUTER_IP, 53), attacker(), b"answer"),
        tcp(12, (VICTIM, VICTIM_IP, 40_000), (ROUTER, WORLD_IP, 80)),
    ]

    assert label_frames(frames, [attack]) == [BENIGN] * len(frames)


def test_frames_put_on_the_wire_again_are_known_by_their_bytes_the_originals_stay_benign():
    original = tcp(2, victim(40_000), (ROUTER, ROUTER_IP, 9999))
    again = tcp(12, victim(40_000), (ROUTER, ROUTER_IP, 9999))
    answer = tcp(12.1, (ROUTER, ROUTER_IP, 9999), victim(40_000), flags=0x12)
    and_again = tcp(23, (ROUTER, ROUTER_IP, 9999), victim(40_000), flags=0x12)
    digests, flows = frozenset({digest(original.raw)}), frozenset({original.flow})
    echo = Echo(**about("Replay"), digests=digests, flows=flows)

    found = subs([original, again, answer, and_again], echo)

    assert found == ["", "it", "it_response", "it_response"]


def test_labels_are_written_one_row_per_frame_counted_from_one(tmp_path):
    labels = [BENIGN, Label("DOS", "syn_flood"), BENIGN]

    write_labels(tmp_path / "labels.csv", labels)

    assert (tmp_path / "labels.csv").read_text() == (
        "frame,class,sub\n1,benign,\n2,DOS,syn_flood\n3,benign,\n"
    )
    assert count_classes(labels) == {"benign": 2, "DOS": 1}


def dhcp(at_s, src, dst, transaction):
    return udp(at_s, src, dst, b"\x01\x01\x06\x00" + transaction + bytes(232))


def test_a_rogue_dhcp_server_is_told_from_the_honest_one():
    rogue = DhcpClaims(**about("MITM"), port=67)
    everyone = (EVERYONE, "255.255.255.255", 68)
    asked = dhcp(11, (VICTIM, NO_IP, 68), (EVERYONE, "255.255.255.255", 67), b"abcd")
    honest = dhcp(11.1, (ROUTER, ROUTER_IP, 67), everyone, b"abcd")
    forged = dhcp(11.2, attacker(67), everyone, b"abcd")
    too_late = dhcp(21, attacker(67), everyone, b"abcd")

    assert subs([asked, honest, forged, too_late], rogue) == ["", "", "it", ""]


def test_who_asks_for_many_leases_is_told_from_who_asks_for_one():
    starving = DhcpClaims(**about("DOS"), port=68)
    server = (EVERYONE, "255.255.255.255", 67)
    greedy = dhcp(11, (ATTACKER, NO_IP, 68), server, b"1111")
    offered = dhcp(11.1, (ROUTER, ROUTER_IP, 67), (EVERYONE, "255.255.255.255", 68), b"1111")
    honest = dhcp(11.2, (VICTIM, NO_IP, 68), server, b"2222")
    served = dhcp(11.3, (ROUTER, ROUTER_IP, 67), (EVERYONE, "255.255.255.255", 68), b"2222")

    assert subs([greedy, offered, honest, served], starving) == ["it", "it_response", "", ""]
