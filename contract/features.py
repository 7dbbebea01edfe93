"""The feature schema: what each number of a feature vector means, in vector order."""

import hashlib
from typing import Final

import msgspec


class Counter(msgspec.Struct, frozen=True):
    """What is counted per host in one window; each becomes one feature per horizon."""

    name: str
    unit: str
    meaning: str


class Feature(msgspec.Struct, frozen=True):
    """One number of the feature vector."""

    name: str
    unit: str
    meaning: str
    family: str


WINDOW_S: Final = 1
HORIZONS_S: Final = (1, 10, 60)  # the window itself, then two damped histories

COUNTERS: Final[dict[str, tuple[Counter, ...]]] = {
    "volume": (
        Counter("sent_packets", "packets", "packets sent"),
        Counter("sent_bytes", "bytes", "bytes sent, as on the wire"),
        Counter("received_packets", "packets", "packets addressed to this host"),
        Counter("received_bytes", "bytes", "bytes addressed to this host"),
        Counter("sent_udp", "packets", "UDP packets sent"),
        Counter("sent_icmp", "packets", "ICMP packets sent that are no answers"),
        Counter("sent_group", "packets", "broadcast and multicast packets sent"),
        Counter("sent_empty", "packets", "IP packets sent without payload"),
        Counter("sent_fragments", "packets", "IP fragments sent"),
        Counter(
            "sent_unreachable", "packets", "ICMP messages sent that something was not reached"
        ),
        Counter(
            "received_unreachable",
            "packets",
            "ICMP messages received that something was not reached",
        ),
        Counter("sent_discovery", "packets", "UDP packets sent to ports that tell who is there"),
        Counter("sent_unreturned", "packets", "packets sent where hardly anything came back"),
        Counter("unreturned_bytes", "bytes", "bytes of those packets, as on the wire"),
    ),
    "fan_out": (
        Counter("contacted_hosts", "hosts", "hosts that this host turned to"),
        Counter("contacted_services", "services", "services (address, port) it turned to"),
        Counter("new_hosts", "hosts", "hosts it had not turned to in the last minutes"),
        Counter("new_services", "services", "services it had not turned to in the last minutes"),
        Counter("ports_of_one_host", "ports", "ports tried on the host it tried most"),
        Counter("hosts_of_one_port", "hosts", "hosts tried on the port it tried most"),
        Counter("flows_to_one_service", "flows", "flows opened to the service it opened most"),
        Counter("live_flows", "flows", "TCP flows it was active in, of the service it used most"),
        Counter("source_addresses", "addresses", "source addresses it used"),
    ),
    "tcp": (
        Counter("sent_syn", "packets", "TCP connections it tried to open"),
        Counter("sent_syn_ack", "packets", "TCP connections it accepted"),
        Counter("sent_rst", "packets", "TCP resets sent"),
        Counter("sent_fin", "packets", "TCP connections it ended"),
        Counter("sent_odd_flags", "packets", "TCP packets with flags no stack sends"),
        Counter("received_syn", "packets", "TCP connections others tried to open to it"),
        Counter("received_syn_ack", "packets", "TCP connections that were accepted"),
        Counter("received_rst", "packets", "TCP resets received"),
        Counter("sent_data", "packets", "TCP packets sent with payload"),
        Counter("received_data", "packets", "TCP packets received with payload"),
        Counter("sent_data_bytes", "bytes", "TCP payload sent"),
        Counter("received_data_bytes", "bytes", "TCP payload received"),
        Counter("login_syn", "packets", "connections tried to login services"),
        Counter("telnet_syn", "packets", "connections tried to ports that IoT worms use"),
        Counter("odd_port_syn", "packets", "connections tried to ports of no common service"),
        Counter(
            "login_attempts",
            "packets",
            "messages sent that carry another password in the clear, but for one that opens the door",
        ),
        Counter(
            "login_refusals",
            "packets",
            "answers received that refuse a login, but for one that was tried before",
        ),
    ),
    "arp": (
        Counter("arp_requests", "packets", "ARP requests sent"),
        Counter("arp_replies", "packets", "ARP replies sent"),
        Counter(
            "arp_targets",
            "addresses",
            "addresses it asked for and had not asked for in the last minute, if it is no router",
        ),
        Counter("unasked_claims", "packets", "address claims that nobody asked for"),
        Counter(
            "pushed_replies",
            "packets",
            "ARP replies to one host that did not ask, of no own address",
        ),
        Counter("claimed_addresses", "addresses", "addresses it claimed"),
        Counter("conflicting_claims", "packets", "claims of an address that another MAC holds"),
        Counter("foreign_source", "packets", "packets sent from an address another MAC holds"),
        Counter("misdirected", "packets", "packets received for an address another MAC holds"),
        Counter(
            "icmp_redirects", "packets", "ICMP redirects sent, but for a router's in its own name"
        ),
        Counter(
            "router_advertisements",
            "packets",
            "offers to be a way out by IPv6 beside another router",
        ),
    ),
    "replay": (
        Counter("payloads", "packets", "unicast packets sent with a payload worth comparing"),
        Counter("borrowed_payloads", "packets", "payloads another host had sent to that service"),
        Counter("own_repeats", "packets", "payloads it had sent before, in another flow"),
        Counter("flow_repeats", "packets", "payloads it had sent before, in the same flow"),
        Counter("odd_repeats", "packets", "repeats where payloads of that size never come again"),
        Counter("replayed_frames", "packets", "packets that were on the wire before, to the bit"),
        Counter("retransmissions", "packets", "TCP segments sent again"),
    ),
    "timing": (
        Counter("opens", "flows", "flows it opened"),
        Counter("open_gap", "seconds", "time between flows it opened"),
        Counter("open_gap_squared", "seconds^2", "squared time between flows it opened"),
        Counter("active_windows", "windows", "windows in which it sent"),
    ),
    "services": (
        Counter("dns_queries", "packets", "DNS queries sent"),
        Counter("dns_responses", "packets", "DNS responses sent"),
        Counter("dns_failures", "packets", "DNS answers received that say no such name"),
        Counter("dns_conflicts", "packets", "DNS responses sent after another host's response"),
        Counter("dhcp_requests", "packets", "DHCP client messages sent"),
        Counter("dhcp_clients", "addresses", "client addresses in those DHCP messages"),
        Counter("dhcp_serving", "packets", "DHCP server messages sent"),
        Counter("dhcp_rivalry", "packets", "DHCP server messages while another server was known"),
        Counter(
            "unnamed_opens", "services", "TCP services outside called that no DNS answer named"
        ),
        Counter("unnamed_odd_opens", "services", "those at ports of no common service"),
        Counter("unnamed_talks", "services", "those spoken to after a pause in a held connection"),
    ),
}

DERIVED: Final[dict[str, tuple[Counter, ...]]] = {
    "volume": (
        Counter("bytes_per_packet_10s", "bytes", "mean size of a packet sent, over 10 s"),
        Counter("received_ratio_10s", "ratio", "packets received for each packet sent, over 10 s"),
        Counter("empty_ratio_10s", "ratio", "share of packets sent without payload, over 10 s"),
        Counter("unreturned_size_10s", "bytes", "mean size of an unreturned packet, over 10 s"),
    ),
    "fan_out": (
        Counter("services_per_host_10s", "ratio", "services for each host contacted, over 10 s"),
        Counter("novelty_ratio_60s", "ratio", "share of contacted services that were new"),
        Counter("one_service_share_60s", "ratio", "share of opened flows to one service"),
    ),
    "tcp": (
        Counter(
            "unanswered_ratio_10s", "ratio", "share of SYNs that were not accepted, over 10 s"
        ),
        Counter(
            "unanswered_ratio_60s", "ratio", "share of SYNs that were not accepted, over 60 s"
        ),
        Counter("worm_share_10s", "ratio", "share of SYNs to ports that IoT worms use, over 10 s"),
        Counter("data_per_live_flow_10s", "bytes", "TCP payload sent for each active flow"),
        Counter("refused_ratio_10s", "ratio", "resets received for each SYN sent, over 10 s"),
        Counter(
            "data_per_connection_60s", "bytes", "TCP payload sent for each accepted connection"
        ),
    ),
    "replay": (
        Counter("borrowed_ratio_60s", "ratio", "share of payloads first sent by another host"),
        Counter("repeat_ratio_60s", "ratio", "share of payloads sent before, in another flow"),
    ),
    "timing": (
        Counter("open_gap_mean_60s", "seconds", "mean time between flows it opened, over 60 s"),
        Counter(
            "open_gap_variation_60s", "ratio", "standard deviation of that time over its mean"
        ),
    ),
}

COUNTER_NAMES: Final = tuple(c.name for family in COUNTERS.values() for c in family)
COUNTER_COUNT: Final = len(COUNTER_NAMES)


def _features() -> tuple[Feature, ...]:
    counted = [
        Feature(
            f"{counter.name}_{horizon}s",
            counter.unit,
            f"{counter.meaning}, in {horizon} s" + ("" if horizon == WINDOW_S else " (damped)"),
            family,
        )
        for horizon in HORIZONS_S
        for family, counters in COUNTERS.items()
        for counter in counters
    ]
    derived = [
        Feature(counter.name, counter.unit, counter.meaning, family)
        for family, counters in DERIVED.items()
        for counter in counters
    ]
    return tuple(counted + derived)


FEATURES: Final[tuple[Feature, ...]] = _features()
FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)
FEATURE_COUNT: Final = len(FEATURES)

# Raised by hand when the same name begins to be computed in another way.
FEATURE_REVISION: Final = 9


def feature_schema_id() -> str:
    """Return the fingerprint of names, units, order, window and revision: 16 hex digits."""
    parts = [f"{FEATURE_REVISION}:{WINDOW_S}:{HORIZONS_S}"]
    parts += [f"{feature.name}:{feature.unit}" for feature in FEATURES]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
