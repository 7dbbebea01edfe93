"""Plain attacks are told whatever the trees say, and nobody else is accused for it."""

import numpy as np
import pytest

from agent.limits import CERTAIN, exceeded, with_limits
from contract.attacks import BENIGN, CLASSES
from contract.features import FEATURE_COUNT, FEATURE_NAMES
from contract.model_metadata import Limit
from model_training.params import DEFAULT_PARAMS, read_params

FLOOD = Limit(
    label="DOS", at_least={"sent_syn_1s": 200.0}, at_most={"contacted_services_1s": 50.0}
)
SCAN = Limit(label="Scan", at_least={"ports_of_one_host_1s": 60.0})
SHIPPED = read_params(DEFAULT_PARAMS).limits


def row(**values):
    vector = np.zeros(FEATURE_COUNT, np.float32)
    for name, value in values.items():
        vector[FEATURE_NAMES.index(name)] = value
    return vector


def scored(**values):
    scores = np.zeros(len(CLASSES), np.float32)
    for name, value in values.items():
        scores[CLASSES.index(name)] = value
    return scores


def raised(vector, scores, limits=(FLOOD, SCAN)):
    told = with_limits(scores[None], vector[None], limits, CLASSES)[0]
    return {name: pytest.approx(float(told[at]), abs=1e-6) for at, name in enumerate(CLASSES)}


def test_a_flood_beside_the_days_work_is_told():
    told = raised(row(sent_syn_1s=900, contacted_services_1s=9), scored(benign=0.4, DOS=0.6))
    assert told["DOS"] == CERTAIN
    assert told[BENIGN] == 1 - CERTAIN
    assert sum(value.expected for value in told.values()) == pytest.approx(1)


@pytest.mark.parametrize(("syn", "services"), [(199, 9), (900, 51), (0, 0)])
def test_within_a_limit_the_model_is_believed(syn, services):
    told = raised(
        row(sent_syn_1s=syn, contacted_services_1s=services), scored(benign=0.4, DOS=0.6)
    )
    assert told["DOS"] == 0.6


def test_a_model_that_is_sure_of_another_attack_is_believed():
    vector = row(ports_of_one_host_1s=900)
    assert raised(vector, scored(benign=0.2, DOS=0.8))["Scan"] == 0
    assert raised(vector, scored(benign=0.6, DOS=0.4))["Scan"] == CERTAIN


def test_a_flood_that_says_the_same_for_ever_is_no_replay():
    vector = row(sent_syn_1s=900, contacted_services_1s=9)
    assert raised(vector, scored(Replay=0.9, DOS=0.1))["DOS"] == CERTAIN
    assert raised(vector, scored(Botnet=0.9, DOS=0.1))["DOS"] == 0.1


def test_who_looks_everywhere_and_never_knocks_at_telnet_is_no_bot():
    looked_for = {"ports_of_one_host_1s": 900}
    assert raised(row(**looked_for), scored(Botnet=0.9, Scan=0.1))["Scan"] == CERTAIN
    knocks = row(**looked_for, telnet_syn_60s=1)
    assert raised(knocks, scored(Botnet=0.9, Scan=0.1))["Scan"] == 0.1


@pytest.mark.parametrize("tries", ["login_attempts_60s", "login_refusals_60s"])
def test_who_sends_password_after_password_floods_nobody_however_fast_it_is(tries):
    told = raised(row(**{tries: 70}), scored(DOS=0.7, BruteForce=0.3), SHIPPED)
    assert told["BruteForce"] == (CERTAIN if tries == "login_attempts_60s" else 0.3)


def test_who_asks_for_what_is_refused_and_tries_no_password_floods():
    flood = {"sent_syn_1s": 460, "contacted_services_1s": 1, "login_refusals_60s": 3400}
    guesses = scored(BruteForce=0.9, DOS=0.1)
    assert raised(row(**flood), guesses, SHIPPED)["DOS"] == CERTAIN
    assert raised(row(**flood, login_attempts_60s=9), guesses, SHIPPED)["DOS"] == 0.1


def test_a_score_above_certainty_stays():
    assert raised(row(ports_of_one_host_1s=900), scored(benign=0.005, Scan=0.995))["Scan"] == 0.995


def test_the_first_limit_that_is_exceeded_counts():
    vector = row(sent_syn_1s=900, contacted_services_1s=9, ports_of_one_host_1s=70)
    assert raised(vector, scored(benign=1))["DOS"] == CERTAIN
    assert raised(vector, scored(benign=1), (SCAN, FLOOD))["Scan"] == CERTAIN


def test_what_exceeds_a_limit_is_named():
    vector = row(sent_syn_1s=900, ports_of_one_host_1s=70, contacted_services_1s=9)
    named = [FEATURE_NAMES[at] for at in exceeded(vector, "DOS", (FLOOD, SCAN))]
    assert named == ["sent_syn_1s"]
    assert not len(exceeded(vector, "MITM", (FLOOD, SCAN)))


@pytest.mark.parametrize(
    ("label", "values"),
    [
        ("DOS", {"sent_syn_1s": 20_000, "contacted_services_1s": 9, "source_addresses_1s": 1}),
        ("DOS", {"source_addresses_1s": 20_000, "sent_packets_1s": 20_000}),
        ("Scan", {"ports_of_one_host_1s": 2_000, "sent_syn_1s": 20_000, "contacted_services_1s": 2e4}),
        ("Scan", {"arp_targets_10s": 250}),
        ("Botnet", {"telnet_syn_10s": 300, "hosts_of_one_port_10s": 300, "worm_share_10s": 1}),
        ("DOS", {"sent_icmp_1s": 200, "contacted_services_1s": 1}),
        ("DOS", {"sent_udp_1s": 3000, "sent_unreturned_1s": 3000, "unreturned_size_10s": 1400}),
        ("DOS", {"sent_udp_1s": 400, "sent_unreturned_1s": 400, "unreturned_size_10s": 67}),
        ("DOS", {"sent_udp_1s": 900, "ports_of_one_host_1s": 900, "unreturned_size_10s": 160}),
        ("DOS", {"sent_packets_1s": 3000, "sent_unreturned_1s": 3000, "source_addresses_1s": 250}),
        ("DOS", {"sent_rst_1s": 100, "sent_unreturned_1s": 100}),
        ("DOS", {"sent_packets_1s": 2000, "received_rst_1s": 2000, "live_flows_1s": 1900}),
        ("DOS", {"dhcp_clients_10s": 60}),
        ("DOS", {"sent_data_1s": 1100, "sent_data_10s": 3500, "bytes_per_packet_10s": 280}),  # publications
        ("DOS", {"dns_queries_1s": 300, "dns_queries_10s": 900}),
        ("DOS", {"sent_discovery_1s": 370, "sent_discovery_10s": 1500}),
        ("DOS", {"received_unreachable_1s": 900, "sent_udp_1s": 1000, "ports_of_one_host_1s": 1}),
        ("DOS", {"sent_unreturned_1s": 360, "sent_udp_1s": 65, "sent_data_1s": 30}),  # in a tunnel
        ("DOS", {"sent_icmp_1s": 60, "contacted_services_1s": 2}),
        ("Scan", {"new_services_60s": 9, "received_rst_60s": 9, "unanswered_ratio_60s": 1, "new_hosts_60s": 1}),
        ("Replay", {"replayed_frames_60s": 2, "sent_packets_1s": 5}),
        ("Replay", {"odd_repeats_10s": 7, "live_flows_10s": 7}),
        ("Replay", {"borrowed_payloads_60s": 2.5, "borrowed_payloads_1s": 1, "own_repeats_1s": 1}),
        ("DOS", {"received_rst_1s": 683, "received_rst_10s": 920, "sent_packets_1s": 2051, "sent_data_1s": 2051, "bytes_per_packet_10s": 566}),
        ("DOS", {"sent_unreturned_1s": 800, "sent_data_1s": 800, "unreturned_size_10s": 566}),
        ("MITM", {"icmp_redirects_60s": 5, "foreign_source_60s": 5}),
        ("BruteForce", {"login_refusals_60s": 40}),
        ("MITM", {"conflicting_claims_10s": 10, "pushed_replies_10s": 10}),
        ("MITM", {"pushed_replies_60s": 6.4}),  # every ten seconds
        ("Botnet", {"unnamed_opens_60s": 3, "new_services_60s": 2}),
        ("Botnet", {"unnamed_odd_opens_60s": 3, "new_services_60s": 2}),
        ("Botnet", {"unnamed_talks_60s": 2, "ports_of_one_host_10s": 10}),  # beside a stream
        # every three quarters of a minute, or every minute
        ("Botnet", {"unnamed_opens_60s": 1.67, "new_services_60s": 0.47}),
        ("Botnet", {"unnamed_odd_opens_60s": 1.52, "new_services_60s": 0.37}),
        ("Botnet", {"unnamed_talks_60s": 1.47, "new_services_60s": 0.55}),
        ("Botnet", {"arp_targets_10s": 150, "telnet_syn_60s": 3, "worm_share_10s": 0.9}),
    ],
)  # fmt: skip
def test_the_shipped_limits_tell_a_plain_attack_from_a_calm_model(label, values):
    assert raised(row(**values), scored(benign=1), SHIPPED)[label] == CERTAIN


@pytest.mark.parametrize(
    "values",
    [
        {"sent_udp_1s": 900, "sent_unreturned_1s": 900, "unreturned_size_10s": 1300},  # video
        {
            "sent_udp_1s": 3000,
            "sent_unreturned_1s": 9,
            "unreturned_size_10s": 60,
        },  # it is answered
        {"sent_rst_1s": 900, "received_syn_1s": 900, "sent_unreturned_1s": 3},  # is scanned
        # a camera whose ports somebody tries
        {
            "sent_rst_1s": 90,
            "sent_unreturned_1s": 240,
            "sent_udp_1s": 240,
            "unreturned_size_10s": 1300,
        },
        {"sent_packets_1s": 2000, "received_rst_1s": 2000, "sent_syn_ack_1s": 2000},  # the victim
        {"sent_packets_1s": 1300, "received_rst_1s": 400, "live_flows_1s": 1},  # broken off
        {"sent_icmp_1s": 250, "contacted_services_1s": 250},  # looks who is there: no flood
        {"replayed_frames_60s": 1, "sent_packets_1s": 5},
        {"odd_repeats_10s": 50, "live_flows_10s": 500},  # headers, one by one
        {"borrowed_payloads_60s": 4, "borrowed_payloads_1s": 4},  # greets as all players do
        # a copy to a server that is broken off; one of which a single direction is seen
        {
            "received_rst_1s": 900,
            "received_rst_10s": 900,
            "sent_packets_1s": 900,
            "bytes_per_packet_10s": 1490,
        },
        {"sent_unreturned_1s": 900, "sent_data_1s": 900, "unreturned_size_10s": 1490},
        # the victim of a flood
        {"received_rst_1s": 930, "received_rst_10s": 930, "sent_packets_1s": 2},
        # closed ports
        {
            "received_rst_1s": 150,
            "received_rst_10s": 900,
            "sent_packets_1s": 150,
            "contacted_services_1s": 150,
        },
        # one address of an answer after another; peers of a file
        {"unnamed_opens_60s": 9, "unnamed_odd_opens_60s": 0, "new_services_60s": 9},
        {"unnamed_opens_60s": 60, "unnamed_odd_opens_60s": 60, "new_services_60s": 60},
        {"unnamed_talks_60s": 9, "new_services_60s": 9},
        # for the second time, in a connection that is lost
        {"unnamed_opens_60s": 1.9, "unnamed_odd_opens_60s": 1.9, "new_services_60s": 0.9},
        {"arp_targets_10s": 90, "telnet_syn_60s": 3, "worm_share_10s": 0.2},  # an inventory
        {"icmp_redirects_60s": 20},  # a router
        {"dhcp_clients_10s": 8},
        # measurements to a group; a tunnel that is answered; a camera's pictures
        {"sent_packets_1s": 4000, "source_addresses_1s": 1, "sent_group_1s": 4000},
        {"sent_packets_1s": 4000, "source_addresses_1s": 1, "sent_unreturned_1s": 3},
        {
            "sent_packets_1s": 900,
            "sent_unreturned_1s": 880,
            "sent_udp_1s": 880,
            "unreturned_size_10s": 1300,
        },
        {"sent_unreturned_1s": 900, "sent_empty_1s": 900},  # acknowledges what is not seen
        {"sent_icmp_1s": 60, "contacted_services_1s": 60},  # looks who is there
        # a copy to a server; its folders, listed; a house that wakes up
        {"sent_data_1s": 4000, "sent_data_10s": 30000, "bytes_per_packet_10s": 1400},
        {
            "sent_data_1s": 900,
            "sent_data_10s": 9000,
            "bytes_per_packet_10s": 200,
            "received_data_1s": 900,
        },
        {"dns_queries_1s": 210, "dns_queries_10s": 300},
        {"sent_discovery_1s": 250, "sent_discovery_10s": 300},
        # the victim of a flood in its name
        {"received_unreachable_1s": 900, "sent_udp_1s": 3},
        # peers of a file that many share: most are gone, and each is another host
        {
            "new_services_60s": 40,
            "received_rst_60s": 40,
            "unanswered_ratio_60s": 0.9,
            "new_hosts_60s": 40,
        },
        {
            "new_services_60s": 9,
            "received_rst_60s": 9,
            "unanswered_ratio_60s": 0.1,
            "new_hosts_60s": 1,
        },
    ],
)
def test_the_shipped_limits_leave_what_honest_hosts_do_to_the_model(values):
    calm = scored(benign=1)
    assert raised(row(**values), calm, SHIPPED) == raised(row(), calm, SHIPPED)
