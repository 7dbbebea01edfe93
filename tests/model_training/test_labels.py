"""Labels of frames and windows: an attack is laid on who sent it, and on nobody else."""

import numpy as np
import pytest

from contract.attacks import CLASSES
from contract.features import FEATURE_NAMES
from model_training.captures import read_captures
from model_training.errors import ManifestError
from model_training.labels import (
    UNKNOWN,
    Parties,
    class_index,
    ip_halves,
    read_frame_labels,
    read_parties,
)
from model_training.window_labels import host_codes, label_windows, owners
from tests.model_training.builders import (
    frame,
    frame_labels,
    observations,
    senders,
    write_capture,
)

DOS, BOTNET, MITM, SCAN, REPLAY = (
    CLASSES.index(name) for name in ("DOS", "Botnet", "MITM", "Scan", "Replay")
)
ATTACKER, VICTIM, OTHER = 0x10, 0x20, 0x30
KNOWN = Parties(frozenset({ATTACKER}), frozenset(), frozenset({ip_halves("10.0.0.20")}))
UNNAMED = Parties(frozenset(), frozenset(), frozenset())


def label(hosts, frames, labels, parties=KNOWN):
    found = label_windows(observations(hosts), senders(frames), frame_labels(labels), parties)
    return found.tolist()


def sent(second, src, dst):
    return (second, src, f"10.0.0.{src}", dst)


def test_the_attacker_is_blamed_and_the_victim_that_answers_is_not():
    frames = [sent(0.1, ATTACKER, VICTIM), sent(0.2, VICTIM, ATTACKER)]
    labels = [("Scan", "nmap"), ("Scan", "nmap_response")]
    assert label([(0, ATTACKER), (0, VICTIM)], frames, labels) == [SCAN, 0]


def test_a_victim_named_by_the_manifest_stays_benign_even_where_its_answers_are_labelled_attack():
    frames = [sent(0.1, ATTACKER, 0x14), (0.2, 0x14, "10.0.0.20", ATTACKER)]
    assert label([(0, ATTACKER), (0, 0x14)], frames, [("DoS", ""), ("DoS", "")]) == [DOS, 0]


def test_a_stranger_that_sends_attack_frames_is_neither_blamed_nor_called_benign():
    frames = [sent(0.1, ATTACKER, VICTIM), sent(0.2, OTHER, ATTACKER)]
    assert label([(0, OTHER)], frames, [("Scan", ""), ("Scan", "")]) == [UNKNOWN]


def test_whoever_a_recorded_frame_names_as_its_sender_is_seen_to_replay():
    frames = [sent(0.1, ATTACKER, VICTIM), sent(0.2, OTHER, VICTIM)]
    assert label([(0, OTHER)], frames, [("Replay", ""), ("Replay", "")]) == [REPLAY]


def test_who_answers_a_bot_may_be_its_master():
    frames = [sent(0.1, ATTACKER, OTHER), sent(0.2, OTHER, ATTACKER)]
    labels = [("Botnet", "beacon"), ("Botnet", "beacon_response")]
    assert label([(0, ATTACKER), (0, OTHER)], frames, labels) == [BOTNET, UNKNOWN]


def test_an_attackers_pauses_are_left_out_and_long_after_its_attack_it_is_benign_again():
    hosts = [(0, ATTACKER), (9, ATTACKER), (15, ATTACKER), (16, ATTACKER)]
    frames = [sent(second + 0.5, ATTACKER, VICTIM) for second, _ in hosts]
    labels = [("Scan", "")] + [("benign", "")] * 3
    assert label(hosts, frames, labels) == [SCAN, UNKNOWN, UNKNOWN, 0]


def test_who_only_answers_does_not_scan_even_where_the_manifest_lists_it():
    seen = observations([(0, ATTACKER), (0, OTHER)])
    seen.features[:, FEATURE_NAMES.index("sent_packets_60s")] = 9
    seen.features[0, FEATURE_NAMES.index("opens_60s")] = 9
    both = Parties(frozenset({ATTACKER, OTHER}), frozenset(), frozenset())
    frames = senders([sent(0.1, ATTACKER, OTHER), sent(0.2, OTHER, ATTACKER)])
    labels = frame_labels([("Scan", ""), ("Scan", "")])
    assert label_windows(seen, frames, labels, both).tolist() == [SCAN, UNKNOWN]


def test_before_its_attack_the_attacker_was_benign():
    hosts = [(0, ATTACKER), (1, ATTACKER)]
    frames = [sent(0.5, ATTACKER, VICTIM), sent(1.5, ATTACKER, VICTIM)]
    assert label(hosts, frames, [("benign", ""), ("Scan", "")]) == [0, SCAN]


def test_unlabelled_frames_leave_their_sender_out():
    assert label([(0, OTHER)], [sent(0.1, OTHER, VICTIM)], [("unlabelled", "")]) == [UNKNOWN]


def test_an_unknown_attacker_is_whoever_floods_the_victim():
    frames = [sent(0.1, OTHER, VICTIM)] * 12 + [sent(0.3, VICTIM, OTHER)]
    labels = [("DoS", "flood")] * 13
    assert label([(0, OTHER), (0, VICTIM)], frames, labels, UNNAMED) == [DOS, UNKNOWN]


def test_a_forged_sender_that_sent_next_to_nothing_is_left_out():
    frames = [sent(0.1, OTHER, VICTIM)] * 3
    assert label([(0, OTHER)], frames, [("DoS", "flood")] * 3, UNNAMED) == [UNKNOWN]


def test_an_address_that_the_attacker_borrowed_is_not_blamed():
    frames = [(0.1, ATTACKER, "10.0.0.77", VICTIM)] * 20
    assert label([(0, "10.0.0.77")], frames, [("DOS", "spoofed")] * 20) == [UNKNOWN]


def test_a_dhcp_server_is_a_rogue_only_beside_another():
    seen = observations([(0, ATTACKER), (1, ATTACKER)])
    seen.features[1, FEATURE_NAMES.index("dhcp_rivalry_60s")] = 1
    frames = senders([sent(0.5, ATTACKER, VICTIM), sent(1.5, ATTACKER, VICTIM)])
    labels = frame_labels([("MITM", "rogue_dhcp_server")] * 2)
    assert label_windows(seen, frames, labels, KNOWN).tolist() == [UNKNOWN, MITM]


def test_a_device_that_was_taken_over_is_blamed_although_it_was_a_victim():
    frames = [(0.1, 0x14, "10.0.0.20", OTHER)]
    assert label([(0, 0x14)], frames, [("Botnet", "mirai_cnc")]) == [BOTNET]


def test_the_class_of_most_frames_names_the_window():
    frames = [sent(0.1, ATTACKER, VICTIM)] * 3
    assert label([(0, ATTACKER)], frames, [("DoS", ""), ("DoS", ""), ("Scan", "")]) == [DOS]


def test_frames_are_owned_by_their_ip_behind_a_router_else_by_their_mac_else_by_the_remainder():
    seen = observations([(0, "192.0.2.1"), (0, 5), (0, 0), (1, 5)])
    frames = senders(
        [(0.1, 5, "192.0.2.1", 9), (0.2, 5, "10.0.0.5", 9), (0.3, 6, "10.0.0.6", 9), (1.2, 5, "192.0.2.1", 9), (3.0, 5, "10.0.0.5", 9)]
    )  # fmt: skip
    assert owners(seen, frames).tolist() == [0, 1, 2, 3, -1]


def test_a_late_frame_belongs_to_the_window_that_was_open():
    seen = observations([(0, 5), (1, 5)])
    frames = senders([(0.5, 5, "10.0.0.5", 9), (1.1, 5, "10.0.0.5", 9), (0.9, 5, "10.0.0.5", 9)])
    assert owners(seen, frames).tolist() == [0, 1, 1]


def test_hosts_are_told_apart_by_mac_or_by_ip():
    codes = host_codes(observations([(0, 5), (0, 6), (1, 5), (1, "10.0.0.5"), (2, "10.0.0.5")]))
    assert codes[0] == codes[2] != codes[1]
    assert codes[3] == codes[4]
    assert len(set(codes.tolist())) == 3


@pytest.mark.parametrize(
    ("name", "sub", "expected"),
    [
        ("DoS", "http_flood", "DOS"),
        ("DOS", "", "DOS"),
        ("Botnet", "http_login_bruteforce", "BruteForce"),
        ("Botnet", "ssh_bruteforce_hydra", "BruteForce"),
        ("Botnet", "c2_beacon", "Botnet"),
        ("BruteForce", "telnet", "BruteForce"),
        ("benign", "", "benign"),
    ],
)
def test_manifests_of_different_ages_mean_the_same_classes(name, sub, expected):
    assert CLASSES[class_index(name, sub)] == expected


def test_what_headers_cannot_tell_apart_teaches_nothing():
    assert class_index("Botnet", "mirai_telnet_bruteforce") == UNKNOWN
    assert class_index("Botnet", "lateral_file_move") == UNKNOWN


def test_an_unknown_class_is_refused():
    with pytest.raises(ManifestError, match="unknown class `Ransom`"):
        class_index("Ransom", "")


def test_attackers_are_read_from_free_text(tmp_path):
    attackers = [
        {"mac": "00:0C:29:d8:10:be", "ip": "10.2.1.104"},
        {"mac": "02:00:00:* per packet", "ip": "0.0.0.0"},  # noqa: S104  what a manifest says of a forged sender
        {"ip": "192.168.1.101 (compromised RTU/HMI), 192.168.1.100 = MTU"},
        {"ip": "fe80::1,192.168.1.7"},
    ]
    victims = ["172.30.0.10 gateway", "172.30.0.100 fake C2"]
    write_capture(
        tmp_path,
        "a.pcap",
        [(0.0, frame(2, 4, "10.0.0.1", "10.0.0.2"), "benign")],
        attackers=attackers,
        victims=victims,
    )
    (capture,) = read_captures([tmp_path], ["train"])
    parties = read_parties(capture.entry)
    assert parties.attacker_macs == {0x000C29D810BE}
    assert parties.attacker_ips == set(
        map(ip_halves, ["10.2.1.104", "192.168.1.101", "fe80::1", "192.168.1.7"])
    )
    assert parties.victim_ips == {ip_halves("172.30.0.10")}


def test_labels_must_fit_their_capture(tmp_path):
    write_capture(tmp_path, "a.pcap", [(0.0, frame(2, 4, "10.0.0.1", "10.0.0.2"), "benign")])
    (capture,) = read_captures([tmp_path], ["train"])
    assert read_frame_labels(capture, 1).label.tolist() == [0]
    with pytest.raises(ManifestError, match="2 frames, but 1 labels"):
        read_frame_labels(capture, 2)
    assert capture.labels_path is not None
    capture.labels_path.write_text("frame,label\n1,benign\n")
    with pytest.raises(ManifestError, match="no labels file"):
        read_frame_labels(capture, 1)


def test_a_capture_of_one_class_needs_no_labels_file(tmp_path):
    frames = [(0.0, frame(2, 4, "10.0.0.1", "10.0.0.2"), "DoS")] * 2
    write_capture(tmp_path, "a.pcap", frames, labels_file=None)
    (capture,) = read_captures([tmp_path], ["train"])
    np.testing.assert_array_equal(read_frame_labels(capture, 2).label, [DOS, DOS])
