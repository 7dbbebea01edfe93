"""To how many hosts and services a host turns, and how many of them are new."""

from typing import Final

import numpy as np

from agent.features.view import IS_ICMP, TCP, UDP, View
from agent.grouping import Groups
from agent.records import F64, I64, U64, Bool
from agent.tables import KeyTable, members, paired

FLOW_KEEP_NS: Final = 120_000_000_000
NOVELTY_KEEP_NS: Final = 300_000_000_000
FLOW_CAPACITY: Final = 65_536
NOVELTY_CAPACITY: Final = 65_536

_ECHO_REQUESTS: Final = members(8, 128)
# Even, so that a key is never 0.
_TURN, _SPREAD = np.uint64(0x9E3779B97F4A7C14), np.uint64(0xC2B2AE3D27D4EB4E)


class FanOut:
    """Remembers flows, to tell who started one, and whom each host has turned to."""

    def __init__(self) -> None:
        self.flow_table = KeyTable(FLOW_CAPACITY, FLOW_KEEP_NS)
        self.contact_table = KeyTable(NOVELTY_CAPACITY, NOVELTY_KEEP_NS)

    def count(self, view: View) -> tuple[dict[str, F64], Bool]:
        """Count contacts of a window.

        Returns:
            The counts by the names of the feature schema, and which rows opened a flow.
        """
        started, opened = self._started(view)
        flows, hosts = view.flows, view.hosts
        owner = _owner(view)
        sender, row, _ = view.groups(view.dst_ip, started)
        service_sender, service_row, service_flows = view.groups(view.service, started)
        live_sender, _, live_flows = view.groups(view.service, _alive(view))
        host_of_service = view.of_host(service_sender, view.dst_ip[service_row])
        kind_of_service = view.of_host(service_sender, view.kind[service_row])
        new_host = self._new(paired(view.dst_ip[row], owner[sender]), view)
        new_service = self._new(paired(owner[service_sender], view.service[service_row]), view)
        size = len(hosts)
        many = view.sent(flows.folded, view.is_ip & (flows.src_ip_low == 0))
        counts = {
            "contacted_hosts": np.bincount(sender, minlength=size).astype(np.float64),
            "contacted_services": np.bincount(service_sender, minlength=size).astype(np.float64),
            "new_hosts": np.bincount(sender[new_host], minlength=size).astype(np.float64),
            "new_services": np.bincount(service_sender[new_service], minlength=size).astype(
                np.float64
            ),
            "ports_of_one_host": view.largest(service_sender, _group_sizes(host_of_service)),
            "hosts_of_one_port": view.largest(service_sender, _group_sizes(kind_of_service)),
            "flows_to_one_service": view.largest(service_sender, service_flows),
            "live_flows": view.largest(live_sender, live_flows),
            "source_addresses": view.distinct(view.src_ip, view.is_ip) + many,
        }
        return counts, opened

    def _started(self, view: View) -> tuple[Bool, Bool]:
        """Return which rows turn to a service of their own accord, and which begin a flow."""
        flows = view.flows
        forward, backward = _directions(view)
        unicast = view.is_ip & ~view.to_group
        is_tcp = unicast & (flows.protocol == TCP)
        is_udp = unicast & (flows.protocol == UDP)
        answers = self.flow_table.find(backward, view.now_ns) >= 0
        answers |= _later_than_reverse(flows.first_ns, forward, backward)
        known = self._known(forward, is_tcp | is_udp, view.now_ns)
        connects = (flows.total("syn") > 0) | (flows.total("odd_flags") > 0)
        bare = flows.total("data") + flows.total("rst") + flows.total("syn_ack") == 0
        tcp = is_tcp & (connects | (bare & ~known & ~answers))
        # Of ICMP the type stands in the destination port, which a reply does not mirror.
        echo = unicast & IS_ICMP[flows.protocol] & _ECHO_REQUESTS[flows.dst_port]
        started = tcp | (is_udp & ~answers) | echo
        return started, started & (~known | (flows.total("syn") > 0))

    def _known(self, forward: U64, remembered: Bool, now_ns: int) -> Bool:
        """Return which rows' flows were there before this window; remember some for later."""
        known = np.zeros(len(forward), np.bool_)
        rows = np.flatnonzero(remembered)
        groups = Groups.of(forward[rows])
        _, fresh = self.flow_table.claim(forward[rows[groups.first]], now_ns)
        known[rows] = ~fresh[groups.of_rows()]
        return known

    def _new(self, keys: U64, view: View) -> Bool:
        """Return which of some distinct contacts are new, and remember them."""
        _, fresh = self.contact_table.claim(keys, view.now_ns)
        return fresh


def _alive(view: View) -> Bool:
    """Return which rows are TCP flows with payload to one host."""
    return view.is_ip & ~view.to_group & (view.flows.total("data") > 0)


def _owner(view: View) -> U64:
    """Return a key for each host that stays the same between windows."""
    hosts = view.hosts
    remainder = hosts.bridge_port.astype(np.uint64) * (hosts.src_mac == 0)
    high = np.where(hosts.is_ip_host, hosts.src_ip_high, remainder)
    low = np.where(hosts.is_ip_host, hosts.src_ip_low, hosts.src_mac)
    return view.key(high, low, hosts.is_ip_host)


def _directions(view: View) -> tuple[U64, U64]:
    """Return a key of each row's flow in its direction, and that of the other direction."""
    flows = view.flows
    source = paired(flows.src_port.astype(np.uint64), view.src_ip)
    target = paired(flows.dst_port.astype(np.uint64), view.dst_ip)
    both = paired(np.minimum(source, target), np.maximum(source, target))
    both ^= flows.protocol * _SPREAD
    return both ^ (source > target) * _TURN, both ^ (source < target) * _TURN


def _later_than_reverse(first_ns: I64, forward: U64, backward: U64) -> Bool:
    """Return which rows began after the row of the other direction in the same window."""
    groups = Groups.of(np.minimum(forward, backward))
    groups = groups.only(np.flatnonzero(groups.sizes > 1))
    later = np.zeros(len(first_ns), np.bool_)
    if not len(groups):
        return later
    turned = (forward > backward)[groups.order]
    time_ns = first_ns[groups.order]
    row = np.arange(len(turned))
    for way in (turned, ~turned):
        other = np.minimum.reduceat(np.where(way, len(row), row), groups.starts)
        other = np.repeat(other, groups.sizes)
        earlier = way & (other < len(row))
        earlier &= time_ns[np.minimum(other, len(row) - 1)] < time_ns
        later[groups.order[earlier]] = True
    return later


def _group_sizes(keys: U64) -> F64:
    """Return for each key how often it occurs."""
    groups = Groups.of(keys)
    return groups.sizes[groups.of_rows()].astype(np.float64)
