"""To how many hosts and services a host turns, and how many of them are new."""

from typing import Final

import numpy as np

from agent.features.view import TCP, UDP, View
from agent.grouping import Groups, distinct
from agent.records import F64, I64, U64, Bool
from agent.tables import NEVER_NS, KeyTable, is_one_of, paired

FLOW_KEEP_NS: Final = 120_000_000_000
NOVELTY_KEEP_NS: Final = 300_000_000_000
SEARCH_KEEP_NS: Final = 30_000_000_000
FLOW_CAPACITY: Final = 65_536
NOVELTY_CAPACITY: Final = 65_536
SEARCH_CAPACITY: Final = 4_096

_ECHO_REQUESTS: Final = (8, 128)
_PAIR: Final = 2
_NEVER_AGAIN_NS: Final = np.iinfo(np.int64).max


class FanOut:
    """Remembers flows, to tell who started one, and whom each host has turned to."""

    def __init__(self) -> None:
        self.flow_table = KeyTable(FLOW_CAPACITY, FLOW_KEEP_NS)
        self._seen_ns = np.full(self.flow_table.capacity * 2, NEVER_NS)  # of each direction
        self.search_table = KeyTable(SEARCH_CAPACITY, SEARCH_KEEP_NS)
        self.contact_table = KeyTable(NOVELTY_CAPACITY, NOVELTY_KEEP_NS)

    def count(self, view: View) -> tuple[dict[str, F64], Bool, Bool]:
        """Count contacts of a window.

        Returns:
            The counts by the names of the feature schema, which rows opened a flow, and which of
            these called by TCP: once each, however often a SYN is sent again.
        """
        started, opened, called = self._started(view)
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
        speaking = view.is_ip.nonzero()[0]
        counts = {
            "contacted_hosts": view.number(sender),
            "contacted_services": view.number(service_sender),
            "new_hosts": view.number(sender[new_host]),
            "new_services": view.number(service_sender[new_service]),
            "ports_of_one_host": view.largest(sender, targets.sizes),
            "hosts_of_one_port": view.largest(service_sender.take(kinds.first), kinds.sizes),
            "flows_to_one_service": view.largest(service_sender, service_flows),
            "live_flows": view.largest(live_sender, live_flows),
            "source_addresses": view.distinct(view.src_ip.take(speaking), speaking)
            + view.sent(view.flows.sources),
        }
        return counts, opened, called

    def _started(self, view: View) -> tuple[Bool, Bool, Bool]:
        """Return which rows turn to a service of their own accord, begin a flow, and call by TCP."""
        flows = view.flows
        is_tcp = view.unicast & (flows.protocol == TCP)
        known, answers = self._remembered(view, view.of_two_ways)
        answers |= _later_than_reverse(flows.first_ns, view.turned, view.by_flow)
        answers |= self._found(view, view.unicast & (flows.protocol == UDP))
        connects = (flows.total("syn") > 0) | (flows.total("odd_flags") > 0)
        bare = flows.total("data") + flows.total("rst") + flows.total("syn_ack") == 0
        tcp = is_tcp & (connects | (bare & ~known & ~answers))
        # Of ICMP the type stands in the destination port, which a reply does not mirror.
        echo = view.icmp[is_one_of(flows.dst_port.take(view.icmp), *_ECHO_REQUESTS)]
        # A protocol without ports is a service of its host, as a port is.
        started = tcp | (view.of_two_ways & ~is_tcp & ~answers)
        started[echo] = view.unicast[echo]
        syn = flows.total("syn") > 0
        return started, started & (~known | syn), is_tcp & syn & ~known

    def _remembered(self, view: View, rows: Bool) -> tuple[Bool, Bool]:
        """Tell which rows' directions were seen before this window, and which the other way round.

        Args:
            view: The window.
            rows: Those to look up and to remember for later; of others nothing is known.
        """
        groups, now_ns = view.by_flow, view.now_ns
        chosen = np.logical_or.reduceat(rows.take(groups.order), groups.starts).nonzero()[0]
        slots = np.full(len(groups), -1, np.int64)
        keys = view.flow.take(groups.first.take(chosen))
        slots[chosen], fresh = self.flow_table.claim(keys, now_ns)
        renewed = slots.take(chosen[fresh])
        renewed = renewed[renewed >= 0] * 2
        self._seen_ns[renewed] = self._seen_ns[renewed + 1] = NEVER_NS
        slot = groups.spread(slots)
        there = rows & (slot >= 0)
        oldest_ns = now_ns - FLOW_KEEP_NS
        seen_ns, place = self._seen_ns, slot * 2 + view.turned
        known = there & (seen_ns.take(place) >= oldest_ns)
        answers = there & (seen_ns.take(place ^ 1) >= oldest_ns)
        seen_ns[place[there]] = now_ns
        return known, answers

    def _found(self, view: View, rows: Bool) -> Bool:
        """Tell which of some rows go to a port from which all were asked a moment ago, as SSDP does."""
        asking = (view.is_ip & view.to_group & (view.flows.protocol == UDP)).nonzero()[0]
        self.search_table.claim(distinct(view.source.take(asking)), view.now_ns)
        chosen = rows.nonzero()[0]
        found = np.zeros(len(rows), np.bool_)
        found[chosen] = self.search_table.find(view.target.take(chosen), view.now_ns) >= 0
        return found

    def _new(self, keys: U64, view: View) -> Bool:
        """Return which of some distinct contacts are new, and remember them."""
        _, fresh = self.contact_table.claim(keys, view.now_ns)
        return fresh


def _alive(view: View) -> Bool:
    """Return which rows are TCP flows with payload to one host."""
    return view.unicast & (view.flows.total("data") > 0)


def _owner(view: View) -> U64:
    """Return a key for each host that stays the same between windows."""
    hosts = view.hosts
    remainder = hosts.bridge_port.astype(np.uint64) * (hosts.src_mac == 0)
    high = np.where(hosts.is_ip_host, hosts.src_ip_high, remainder)
    low = np.where(hosts.is_ip_host, hosts.src_ip_low, hosts.src_mac)
    return view.key(high, low, hosts.is_ip_host)


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
