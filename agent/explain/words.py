"""A feature's value in words for people: "contacted 214 hosts in 10 s"."""

import math
import re
from typing import Final

from contract.features import HORIZONS_S, Feature

# {n} is the number; {s}, {es} and {ies} end the noun that it counts; the horizon is added behind.
_COUNTED: Final[dict[str, str]] = {
    "sent_packets": "sent {n} packet{s}",
    "sent_bytes": "sent {bytes}",
    "received_packets": "received {n} packet{s}",
    "received_bytes": "received {bytes}",
    "sent_udp": "sent {n} UDP packet{s}",
    "sent_icmp": "sent {n} ICMP packet{s}, answers not counted",
    "sent_group": "sent {n} broadcast or multicast packet{s}",
    "sent_empty": "sent {n} packet{s} without payload",
    "sent_unreachable": "answered {n} time{s} that something cannot be reached",
    "received_unreachable": "was answered {n} time{s} that something cannot be reached",
    "sent_discovery": "sent {n} UDP packet{s} to ports that tell who is there",
    "sent_fragments": "sent {n} IP fragment{s}",
    "sent_unreturned": "sent {n} packet{s} where hardly anything came back",
    "unreturned_bytes": "sent {bytes} where hardly anything came back",
    "contacted_hosts": "contacted {n} host{s}",
    "contacted_services": "contacted {n} service{s}",
    "new_hosts": "contacted {n} new host{s}",
    "new_services": "contacted {n} new service{s}",
    "ports_of_one_host": "tried {n} port{s} of one host",
    "hosts_of_one_port": "tried {n} host{s} on one port",
    "flows_to_one_service": "opened {n} connection{s} to one service",
    "live_flows": "was active in {n} connection{s} to one service",
    "source_addresses": "used {n} source address{es}",
    "sent_syn": "tried to open {n} TCP connection{s}",
    "sent_syn_ack": "accepted {n} TCP connection{s}",
    "sent_rst": "sent {n} TCP reset{s}",
    "sent_fin": "ended {n} TCP connection{s}",
    "sent_odd_flags": "sent {n} TCP packet{s} with flags that no stack sends",
    "received_syn": "was asked for {n} TCP connection{s}",
    "received_syn_ack": "had {n} TCP connection{s} accepted",
    "received_rst": "received {n} TCP reset{s}",
    "sent_data": "sent {n} TCP packet{s} with payload",
    "received_data": "received {n} TCP packet{s} with payload",
    "sent_data_bytes": "sent {bytes} of TCP payload",
    "received_data_bytes": "received {bytes} of TCP payload",
    "login_syn": "tried {n} connection{s} to login services",
    "telnet_syn": "tried {n} connection{s} to ports that IoT worms use",
    "odd_port_syn": "tried {n} connection{s} to ports of no common service",
    "login_attempts": "tried {n} password{s} in the clear",
    "login_refusals": "had {n} login{s} refused",
    "arp_requests": "sent {n} ARP request{s}",
    "arp_replies": "sent {n} ARP repl{ies}",
    "arp_targets": "asked for {n} address{es} by ARP",
    "unasked_claims": "claimed an address {n} time{s} without being asked",
    "pushed_replies": "told a host that had not asked {n} time{s} by ARP where an address is",
    "claimed_addresses": "claimed {n} address{es}",
    "conflicting_claims": "claimed another host's address {n} time{s}",
    "foreign_source": "sent {n} packet{s} from another host's address",
    "misdirected": "received {n} packet{s} meant for another host",
    "icmp_redirects": "sent {n} ICMP redirect{s}",
    "router_advertisements": "offered {n} time{s} to be a way out by IPv6 beside another router",
    "payloads": "sent {n} packet{s} with comparable payload",
    "borrowed_payloads": "sent {n} payload{s} that another host had sent before",
    "own_repeats": "sent {n} payload{s} again in another connection",
    "flow_repeats": "sent {n} payload{s} again in the same connection",
    "odd_repeats": "sent {n} payload{s} again where no other payload ever comes again",
    "replayed_frames": "sent {n} packet{s} that had been on the wire before, to the bit",
    "retransmissions": "sent {n} TCP segment{s} again",
    "opens": "opened {n} connection{s}",
    "open_gap": "paused {seconds} between connections in all",
    "open_gap_squared": "paused between connections, squared: {amount} s^2",
    "active_windows": "was active in {n} second{s}",
    "dns_queries": "sent {n} DNS quer{ies}",
    "dns_responses": "sent {n} DNS response{s}",
    "dns_failures": "received {n} DNS answer{s} of `no such name`",
    "dns_conflicts": "sent {n} DNS response{s} after another host's response",
    "dhcp_requests": "sent {n} DHCP client message{s}",
    "dhcp_clients": "sent DHCP messages for {n} client{s}",
    "dhcp_serving": "sent {n} DHCP server message{s}",
    "dhcp_rivalry": "sent {n} DHCP server message{s} beside another server",
    "unnamed_opens": "called {n} time{s} at outside addresses that no DNS answer had named",
    "unnamed_odd_opens": (
        "called {n} time{s} at ports of no common service of outside addresses that no DNS answer"
        " had named"
    ),
    "unnamed_talks": (
        "spoke {n} time{s} after a pause in connections to outside services that no DNS answer had"
        " named"
    ),
}
_DERIVED: Final[dict[str, str]] = {
    "bytes_per_packet_10s": "sent packets of {bytes} on average, over 10 s",
    "received_ratio_10s": "received {amount} packets for each one sent, over 10 s",
    "empty_ratio_10s": "sent {percent} of its packets without payload, over 10 s",
    "unreturned_size_10s": "sent packets of {bytes} where hardly anything came back, over 10 s",
    "services_per_host_10s": "contacted {amount} services on each host, over 10 s",
    "novelty_ratio_60s": "{percent} of the services it contacted were new, over 60 s",
    "one_service_share_60s": "opened {percent} of its connections to one service, over 60 s",
    "worm_share_10s": "aimed {percent} of its connection attempts at ports that IoT worms use, over 10 s",
    "data_per_live_flow_10s": "sent {bytes} a second in each connection, over 10 s",
    "unanswered_ratio_10s": "{percent} of its connection attempts failed, over 10 s",
    "unanswered_ratio_60s": "{percent} of its connection attempts failed, over 60 s",
    "refused_ratio_10s": "received {amount} resets for each connection attempt, over 10 s",
    "data_per_connection_60s": "sent {bytes} in each accepted connection, over 60 s",
    "borrowed_ratio_60s": "{percent} of its payloads were another host's before, over 60 s",
    "repeat_ratio_60s": "{percent} of its payloads were sent before, over 60 s",
    "open_gap_mean_60s": "opened a connection every {seconds}, over 60 s",
    "open_gap_variation_60s": "time between its connections varied by {percent}, over 60 s",
}
_HORIZONS: Final = {f"_{horizon}s": f" in {horizon} s" for horizon in HORIZONS_S}
_NUMBER: Final = re.compile(r"\{(n|bytes|percent|seconds|amount)\}")
_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB")


def describe(feature: Feature, value: float, usual: float | None = None) -> str:
    """Return what a value of a feature says about a host, as the end of a sentence about it.

    Args:
        feature: Which.
        value: Its value.
        usual: What this host's values usually stay below; told where the value does not.
    """
    words, horizon = _words(feature)
    told = _fill(words, value) + horizon
    if usual is None or value <= usual:
        return told
    # The number alone, in the same unit.
    number = _NUMBER.search(words)
    most = _fill(number[0], usual) if number else _amount(usual)
    return f"{told}, usually {'none' if round(usual, 2) == 0 else f'at most {most}'}"


def describe_bound(feature: Feature, value: float, *, upper: bool) -> str:
    """Return a bound of a feature as the end of a sentence: "tried at most 12 ports in 10 s"."""
    words, horizon = _words(feature)
    if "{n}" in words:
        value = math.floor(value) if upper else math.ceil(value)
        if upper and value <= 0:
            return _fill(words, 0.0) + horizon
    bound = "at most" if upper else "at least"
    return _fill(_NUMBER.sub(rf"{bound} {{\1}}", words), value) + horizon


def _words(feature: Feature) -> tuple[str, str]:
    if feature.name in _DERIVED:
        return _DERIVED[feature.name], ""
    name, _, horizon = feature.name.rpartition("_")
    if name in _COUNTED:
        return _COUNTED[name], _HORIZONS[f"_{horizon}"]
    return f"{feature.meaning}: {{amount}} {feature.unit}", ""


def _fill(words: str, value: float) -> str:
    one = round(value) == 1
    return words.format(
        n=_number(value),
        s="" if one else "s",
        es="" if one else "es",
        ies="y" if one else "ies",
        bytes=_bytes(value),
        percent=f"{100 * value:.0f} %",
        seconds=f"{_amount(value)} s",
        amount=_amount(value),
    )


def _number(value: float) -> str:
    """Return a count; damped history makes fractions of it, which mean nothing to people."""
    count = round(value)
    if count:
        return f"{count:,}"
    return "hardly any" if value > 0 else "no"


def _amount(value: float) -> str:
    """Return a quantity with two or three digits that count."""
    if value == 0 or abs(value) >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    digits = max(0, 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(digits, 4)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _bytes(value: float) -> str:
    for unit in _UNITS[:-1]:
        if value < 1000:  # noqa: PLR2004
            return f"{_amount(round(value) if unit == _UNITS[0] else value)} {unit}"
        value /= 1000
    return f"{_amount(value)} {_UNITS[-1]}"
