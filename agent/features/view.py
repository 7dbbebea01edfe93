"""A window as the feature families see it: its flows, its hosts, and sums from one to the other."""

from typing import Final

import numpy as np

from agent.bindings import Holders
from agent.flows import Ends
from agent.grouping import Groups
from agent.hosts import Hosts
from agent.records import F64, I64, U64, Bool
from agent.tables import hashed, is_group, is_one_of, paired

ARP = 0x0806
ARP_REQUEST, ARP_REPLY = 1, 2
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58

_SPREAD: Final = np.uint64(0xC2B2AE3D27D4EB4E)  # even, so that a key is never 0


class View:
    """One window. Every method that counts returns float64 of shape (hosts,)."""

    def __init__(self, ends: Ends, hosts: Hosts, holders: Holders, now_ns: int, seed: int) -> None:
        flows = self.flows = ends.flows
        self.hosts = hosts
        self.holders = holders
        self.now_ns = now_ns
        self._seed = seed
        self._known = (hosts.receiver >= 0).nonzero()[0]  # of the groups of receivers
        self._receiver = hosts.receiver.take(self._known)
        self.is_arp: Bool = flows.ethertype == ARP
        # Few of a window's rows, as a rule.
        self.icmp: I64 = is_one_of(flows.protocol, ICMP, ICMPV6).nonzero()[0]
        self.is_ip: Bool = (flows.dst_ip_low > 0) | (flows.dst_ip_high > 0)
        self.to_group: Bool = is_group(flows.dst_mac)
        self.unicast: Bool = self.is_ip & ~self.to_group
        # ICMP's answers are another flow.
        self.of_two_ways: Bool = self.unicast.copy()
        self.of_two_ways[self.icmp] = False
        self.src_ip: U64 = ends.src_ip
        self.dst_ip: U64 = ends.dst_ip
        self.kind: U64 = self.key(flows.protocol, flows.dst_port)  # of service, wherever it is
        self.service: U64 = paired(self.dst_ip, self.kind)
        self.source: U64 = paired(flows.src_port.astype(np.uint64), self.src_ip)
        self.target: U64 = paired(flows.dst_port.astype(np.uint64), self.dst_ip)
        both = paired(np.minimum(self.source, self.target), np.maximum(self.source, self.target))
        self.flow: U64 = both ^ flows.protocol * _SPREAD  # the same in both directions
        self.turned: Bool = self.source > self.target  # which direction it is
        self.by_flow = Groups.of(self.flow)
        self._host_key = self.key(np.arange(len(hosts)))

    def key(self, *columns: np.ndarray) -> U64:
        """Return a hash of each row of some integer columns."""
        return hashed(self._seed, *columns)

    def of_host(self, host: I64, keys: U64) -> U64:
        """Return a key of each pair of a host of this window and a key."""
        return paired(keys, self._host_key.take(host))

    def sent(self, amounts: I64 | str, rows: Bool | I64 | None = None) -> F64:
        """Sum amounts per sender.

        Args:
            amounts: Of each flow row; or the name of one of the flows' sums.
            rows: Those that count, where not all do; a mask or their numbers.
        """
        total = np.zeros(len(self.hosts))
        found = self._amounts(amounts)
        if found is None:
            return total
        if rows is None:
            total[: self.hosts.senders] = self.hosts.by_sender.sums(found)
        elif len(chosen := rows.nonzero()[0] if rows.dtype == np.bool_ else rows):
            owner = self.hosts.sender.take(chosen)
            total += np.bincount(owner, found.take(chosen), len(total))
        return total

    def received(self, amounts: I64 | str, rows: Bool | None = None) -> F64:
        """Sum amounts per receiver; arguments as of `sent`."""
        total = np.zeros(len(self.hosts))
        found = self._amounts(amounts)
        if found is not None and (rows is None or np.count_nonzero(rows)):
            found = found if rows is None else found * rows
            total[self._receiver] = self.hosts.by_receiver.sums(found).take(self._known)
        return total

    def _amounts(self, amounts: I64 | str) -> I64 | None:
        return self.flows.sums.get(amounts) if isinstance(amounts, str) else amounts

    def groups(self, keys: U64, rows: Bool) -> tuple[I64, I64, I64]:
        """Group the rows of a mask by (sender, key); see `grouped`."""
        chosen = rows.nonzero()[0]
        return self.grouped(keys.take(chosen), chosen)

    def grouped(self, keys: U64, chosen: I64) -> tuple[I64, I64, I64]:
        """Group some rows by (sender, key).

        Args:
            keys: Of those rows.
            chosen: Their numbers.

        Returns:
            sender: The sender of each group, shape (groups,).
            first: One row of each group, its oldest in the flows' order, shape (groups,).
            size: How many rows it has, folded ones included, shape (groups,).
        """
        if not len(chosen):
            return chosen, chosen, chosen
        owner = self.hosts.sender.take(chosen)
        groups = Groups.of(self.of_host(owner, keys))
        size = groups.sums(1 + self.flows.folded.take(chosen))
        first = groups.first
        return owner.take(first), chosen.take(first), size

    def distinct(self, keys: U64, chosen: I64) -> F64:
        """Count the distinct keys of some rows per sender; arguments as of `grouped`."""
        return self.number(self.grouped(keys, chosen)[0])

    def number(self, owner: I64) -> F64:
        """Count how often each host is named."""
        return np.bincount(owner, minlength=len(self.hosts)).astype(np.float64)

    def largest(self, owner: I64, amounts: I64) -> F64:
        """Return the largest amount per host, 0 where it has none."""
        most = np.zeros(len(self.hosts))
        # fifty times as fast as with whole numbers, which it casts one by one
        np.maximum.at(most, owner, amounts.astype(np.float64))
        return most
