"""To how many hosts and services a host turns, and how many of them are new."""

from typing import Final

import numpy as np

from agent.features.view import TCP, UDP, View
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
_NEVER_AGAIN_NS: Final = np.iinfo(np.int64).max


class FanOut:
    """Remembers flows, to tell who started one, and whom each host has turned to."""

    def __init__(self) -> None:
        self.flow_table = KeyTable(FLOW_CAPACITY, FLOW_KEEP_NS)
        self._seen_ns = np.full(self.flow_table.capacity * 2, NEVER_NS)  # of each direction
        self.contact_table = KeyTable(NOVELTY_CAPACITY, NOVELTY_KEEP_NS)

    def count(self, view: View) -> tuple[dict[str, F64], Bool]:
        """Count contacts of a window.

        Returns:
            The counts by the names of the feature schema, and which rows opened a flow.
        """
        started, opened = self._started(view)
        owner = _owner(view)
        service_sender, service_row, service_flows = view.groups(view.service, started)
        live_sender, _, live_flows = view.groups(view.service, _alive(view))
        kinds = Groups.of(view.of_host(service_sender, view.kind.take(service_row)))
        targets = Groups.of(view.of_host(service_sender, view.dst_ip.take(service_row)))
        target = targets.first
        sender, row = service_sender.take(target), service_row.take(target)
        new_host = self._new(paired(view.dst_ip.take(row), owner.take(sender)), view)
        new_service = self._new(
            paired(owner.take(service_sender), view.service.take(service_row)), view
        )
        counts = {
            "contacted_hosts": view.number(sender),
            "contacted_services": view.number(service_sender),
            "new_hosts": view.number(sender[new_host]),
            "new_services": view.number(service_sender[new_service]),
            "ports_of_one_host": view.largest(sender, targets.sizes),
            "hosts_of_one_port": view.largest(service_sender.take(kinds.first), kinds.sizes),
            "flows_to_one_service": view.largest(service_sender, service_flows),
            "live_flows": view.largest(live_sender, live_flows),
            "source_addresses": view.number(view.groups(view.src_ip, view.is_ip)[0])
            + view.sent(view.flows.sources),
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
        echo = view.icmp[is_one_of(flows.dst_port.take(view.icmp), *_ECHO_REQUESTS)]
        started = tcp | (is_udp & ~answers)
        started[echo] = unicast[echo]
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
        chosen = np.logical_or.reduceat(rows.take(groups.order), groups.starts).nonzero()[0]
        slots = np.full(len(groups), -1, np.int64)
        slots[chosen], fresh = self.flow_table.claim(flow.take(groups.first.take(chosen)), now_ns)
        renewed = slots.take(chosen[fresh])
        renewed = renewed[renewed >= 0] * 2
        self._seen_ns[renewed] = self._seen_ns[renewed + 1] = NEVER_NS
        slot = groups.spread(slots)
        there = rows & (slot >= 0)
        oldest_ns = now_ns - FLOW_KEEP_NS
        seen_ns, place = self._seen_ns, slot * 2 + turned
        known = there & (seen_ns.take(place) >= oldest_ns)
        answers = there & (seen_ns.take(place ^ 1) >= oldest_ns)
        seen_ns[place[there]] = now_ns
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
    """Return which rows began after the first of the other direction in the same window."""
    later = np.zeros(len(first_ns), np.bool_)
    pairs = groups.starts[groups.sizes == _PAIR]
    one, other = groups.order.take(pairs), groups.order.take(pairs + 1)
    lag_ns = (first_ns[other] - first_ns[one]) * (turned[other] != turned[one])
    later[one[lag_ns < 0]] = True
    later[other[lag_ns > 0]] = True
    # A relay's or a router's packets come by with several MACs: more rows, in no order of time.
    groups = groups.only((groups.sizes > _PAIR).nonzero()[0])
    if not len(groups):
        return later
    turned, time_ns = turned[groups.order], first_ns[groups.order]
    for way in (turned, ~turned):
        reverse_ns = np.minimum.reduceat(np.where(way, _NEVER_AGAIN_NS, time_ns), groups.starts)
        later[groups.order[way & (reverse_ns.repeat(groups.sizes) < time_ns)]] = True
    return later
