"""To how many hosts and services a host turns, and how many of them are new."""

from typing import Final

import numpy as np

from agent.features.view import IS_ICMP, TCP, UDP, View
from agent.grouping import Groups
from agent.records import F64, I64, U64, Bool
from agent.tables import NEVER_NS, KeyTable, is_one_of, paired

FLOW_KEEP_NS: Final = 120_000_000_000
NOVELTY_KEEP_NS: Final = 300_000_000_000
FLOW_CAPACITY: Final = 65_536
NOVELTY_CAPACITY: Final = 65_536

_ECHO_REQUESTS: Final = (8, 128)
_SPREAD: Final = np.uint64(0xC2B2AE3D27D4EB4E)  # even, so that a key is never 0
_PAIR: Final = 2


class FanOut:
    """Remembers flows, to tell who started one, and whom each host has turned to."""

    def __init__(self) -> None:
        self.flow_table = KeyTable(FLOW_CAPACITY, FLOW_KEEP_NS)
        self._seen_ns = np.full((self.flow_table.capacity, 2), NEVER_NS)  # each direction
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
        many = view.sent(flows.sources)
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
        unicast = view.is_ip & ~view.to_group
        is_tcp = unicast & (flows.protocol == TCP)
        is_udp = unicast & (flows.protocol == UDP)
        flow, turned = _directions(view)
        groups = Groups.of(flow)
        known, answers = self._remembered(flow, turned, groups, is_tcp | is_udp, view.now_ns)
        answers |= _later_than_reverse(flows.first_ns, turned, groups)
        connects = (flows.total("syn") > 0) | (flows.total("odd_flags") > 0)
        bare = flows.total("data") + flows.total("rst") + flows.total("syn_ack") == 0
        tcp = is_tcp & (connects | (bare & ~known & ~answers))
        # Of ICMP the type stands in the destination port, which a reply does not mirror.
        echo = unicast & is_one_of(flows.dst_port, *_ECHO_REQUESTS) & IS_ICMP[flows.protocol]
        started = tcp | (is_udp & ~answers) | echo
        return started, started & (~known | (flows.total("syn") > 0))

    def _remembered(
        self, flow: U64, turned: Bool, groups: Groups, rows: Bool, now_ns: int
    ) -> tuple[Bool, Bool]:
        """Tell which rows' directions were seen before this window, and which the other way round.

        Args:
            flow: The key of each row's flow.
            turned: The row's direction.
            groups: Rows by their flow.
            rows: Those to look up and to remember for later; of others nothing is known.
            now_ns: The window's start.
        """
        chosen = np.flatnonzero(np.logical_or.reduceat(rows.take(groups.order), groups.starts))
        slots = np.full(len(groups), -1, np.int64)
        slots[chosen], fresh = self.flow_table.claim(flow[groups.first[chosen]], now_ns)
        renewed = slots[chosen[fresh]]
        self._seen_ns[renewed[renewed >= 0]] = NEVER_NS
        slot = np.where(rows, slots[groups.of_rows()], -1)
        there = slot >= 0
        oldest_ns = now_ns - FLOW_KEEP_NS
        way = turned.view(np.int8)
        known = there & (self._seen_ns[slot, way] >= oldest_ns)
        answers = there & (self._seen_ns[slot, 1 - way] >= oldest_ns)
        self._seen_ns[slot[there], way[there]] = now_ns
        return known, answers

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


def _directions(view: View) -> tuple[U64, Bool]:
    """Return a key of each row's flow, the same in both directions, and which of them it is."""
    flows = view.flows
    source = paired(flows.src_port.astype(np.uint64), view.src_ip)
    target = paired(flows.dst_port.astype(np.uint64), view.dst_ip)
    both = paired(np.minimum(source, target), np.maximum(source, target))
    return both ^ flows.protocol * _SPREAD, source > target


def _later_than_reverse(first_ns: I64, turned: Bool, groups: Groups) -> Bool:
    """Return which rows began after the row of the other direction in the same window."""
    later = np.zeros(len(first_ns), np.bool_)
    pairs = groups.starts[groups.sizes == _PAIR]
    one, other = groups.order.take(pairs), groups.order.take(pairs + 1)
    lag_ns = (first_ns[other] - first_ns[one]) * (turned[other] != turned[one])
    later[one[lag_ns < 0]] = True
    later[other[lag_ns > 0]] = True
    groups = groups.only(np.flatnonzero(groups.sizes > _PAIR))
    if not len(groups):
        return later
    turned = turned[groups.order]
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
