"""Flows to hosts: who sent each flow of a window, and who received it."""

from typing import Final

import msgspec
import numpy as np

from agent.bindings import ARP, ARP_REQUEST, Holders
from agent.flows import Flows
from agent.grouping import Groups, oldest_first
from agent.homes import Places
from agent.records import I16, I64, U64, Bool
from agent.tables import KeyTable, hashed

KEEP_NS: Final = 3_600_000_000_000
_IP_SALT, _REMAINDER_SALT, _AWAY_SALT = 1, 2, 4


class Hosts(msgspec.Struct, frozen=True, eq=False):
    """The hosts of a window: the senders first, then known hosts that only received.

    `sender` has one entry per flow row; the columns from `slot` on one per host, shape (n,).
    """

    sender: I64  # index of the host that sent the row
    by_sender: Groups  # rows of each host that sent, in the order of the hosts
    by_receiver: Groups  # rows by whom they were sent to
    receiver: I64  # who that is; -1 for a group, or a host that never sent; shape (receivers,)
    senders: int  # how many of the hosts sent in this window
    slot: I64  # in the host table; -1 where it is full
    fresh: Bool  # the slot holds no history of this host
    is_ip_host: Bool
    src_mac: U64
    src_ip_high: U64  # most used source address
    src_ip_low: U64
    dst_ip_high: U64  # address it sent most packets to
    dst_ip_low: U64
    bridge_port: I16
    shared_mac: Bool  # the MAC was seen behind another bridge port too

    def __len__(self) -> int:
        """Return the number of hosts."""
        return len(self.slot)


class HostTable:
    """Remembers hosts between windows, at most `max_hosts` of a window as themselves.

    When a window has more, the smallest are judged together: one remainder per bridge port, whose
    MAC is 00:00:00:00:00:00. Where frames have no MACs (a loopback, a tunnel), the IP is the host.
    Frames that come with a MAC from where it does not live are another host than its owner.
    """

    def __init__(self, max_hosts: int, seed: int) -> None:
        self._max_hosts = max_hosts
        self._seed = seed
        self.remainders = 0  # hosts that were judged in a remainder
        self.table = KeyTable(2 * max_hosts, KEEP_NS)  # sets fill unevenly
        self._ip = np.zeros((self.table.capacity, 2), np.uint64)  # last known, high and low half

    def assign(self, flows: Flows, holders: Holders, places: Places, now_ns: int) -> Hosts:
        """Find the hosts of a window's flows."""
        behind = holders.src_behind | (_without_mac(flows) & ~holders.foreign)
        behind &= ~places.away
        keys = self._keys(flows.src_mac, flows.src_ip_high, flows.src_ip_low, behind)
        away = places.away.nonzero()[0]
        port = flows.bridge_port[away].astype(np.uint64)
        keys[away] = hashed(self._seed + _AWAY_SALT, flows.src_mac[away], port)
        keys, groups, remainder = self._bounded(keys, flows, behind)
        hosts, sender = keys[groups.first], groups.of_rows()
        slot, fresh = self.table.claim(hosts, now_ns)
        named = _largest(groups, sender, flows, holders)
        src_ip = self._remembered(slot, fresh, _source(flows, named, holders.foreign))
        src_ip[remainder[named]] = 0
        dst_behind = holders.dst_behind | (flows.dst_mac == 0)
        target = self._keys(flows.dst_mac, flows.dst_ip_high, flows.dst_ip_low, dst_behind)
        everyone, by_receiver, receiver = self._with_receivers(hosts, target, now_ns)
        # Who only received has a history, but no name: it is not reported.
        others = len(everyone) - len(hosts)
        named = np.concatenate([named, named[-1:].repeat(others)])
        src_ip = np.concatenate([src_ip, np.zeros((others, 2), np.uint64)])
        dst_ip_high, dst_ip_low = _target(flows, named)
        return Hosts(
            sender=sender,
            by_sender=groups,
            by_receiver=by_receiver,
            receiver=receiver,
            senders=len(hosts),
            slot=np.concatenate([slot, self.table.find(everyone[len(hosts) :], now_ns)]),
            fresh=np.concatenate([fresh, np.zeros(others, np.bool_)]),
            is_ip_host=behind[named] & ~remainder[named],
            src_mac=np.where(remainder[named], np.uint64(0), flows.src_mac[named]),
            src_ip_high=src_ip[:, 0],
            src_ip_low=src_ip[:, 1],
            dst_ip_high=dst_ip_high,
            dst_ip_low=dst_ip_low,
            bridge_port=flows.bridge_port[named],
            shared_mac=places.shared[named],
        )

    def _remembered(self, slot: I64, fresh: Bool, ip: U64) -> U64:
        """Fill in the address a sender was last seen with where this window does not tell it."""
        kept = slot >= 0
        self._ip[slot[kept & fresh]] = 0
        # A link-local address says less than any other: it gives way, and replaces none.
        asked = kept & ~(_is_specific(ip[:, 0], ip[:, 1]) & ~_is_link_local(ip[:, 0]))
        known = self._ip.take(slot, axis=0)
        asked &= known[:, 0] | known[:, 1] > 0
        ip[asked] = known[asked]
        self._ip[slot[kept]] = ip[kept]
        return ip

    def _keys(self, mac: U64, ip_high: U64, ip_low: U64, behind: Bool) -> U64:
        keys = hashed(self._seed, mac)
        rows = behind.nonzero()[0]
        keys[rows] = hashed(self._seed + _IP_SALT, ip_high[rows], ip_low[rows])
        return keys

    def _bounded(self, keys: U64, flows: Flows, behind: Bool) -> tuple[U64, Groups, Bool]:
        """Give all but the largest senders the key of their bridge port's remainder.

        Returns:
            The key of each row, the rows grouped by it, and which belong to a remainder.
        """
        remainder = (flows.src_mac == 0) & ~behind  # folded flows have no sender of their own
        groups = Groups.of(keys)
        if len(groups) > self._max_hosts:
            packets = groups.sums(flows.total("packets"))
            small = np.argsort(-packets, kind="stable")[self._max_hosts :]
            self.remainders += len(small)
            remainder[groups.only(small).order] = True
        if remainder.any():
            ports = hashed(self._seed + _REMAINDER_SALT, flows.bridge_port.astype(np.uint64))
            keys = np.where(remainder, ports, keys)
            groups = Groups.of(keys)
        return keys, groups, remainder

    def _with_receivers(self, hosts: U64, target: U64, now_ns: int) -> tuple[U64, Groups, I64]:
        """Append known hosts that only received; return all, rows by target, and who each is."""
        groups = Groups.of(target)
        candidates = target[groups.first]
        known = self.table.find(candidates, now_ns) >= 0
        at = np.minimum(np.searchsorted(hosts, candidates), len(hosts) - 1)
        sent = hosts[at] == candidates
        others = known & ~sent
        index = np.where(sent, at, -1)
        index[others] = len(hosts) + np.arange(int(others.sum()))
        return np.concatenate([hosts, candidates[others]]), groups, index


def _without_mac(flows: Flows) -> Bool:
    """Return which rows have a source address but no source MAC."""
    nameless: Bool = (flows.src_mac == 0) & _is_specific(flows.src_ip_high, flows.src_ip_low)
    return nameless


def _is_specific(high: U64, low: U64) -> Bool:
    """Return which addresses are set and not 0.0.0.0 or ::."""
    specific: Bool = (high > 0) | (low & np.uint64(0xFFFF_FFFF) > 0)
    return specific


def _is_link_local(high: U64) -> Bool:
    """Return which addresses are of fe80::/10."""
    local: Bool = high >> np.uint64(54) == np.uint64(0x3FA)
    return local


def _largest(groups: Groups, sender: I64, flows: Flows, holders: Holders) -> I64:
    """Return for each sender its row with the most packets, one from an own address if it has any."""
    own = _is_specific(flows.src_ip_high, flows.src_ip_low) & ~holders.foreign
    routable = own & ~_is_link_local(flows.src_ip_high)
    packets = flows.total("packets")
    rank = (own * 2 + routable) * (packets.max() + 1) + packets
    best = np.maximum.reduceat(rank[groups.order], groups.starts)
    top: I64 = (rank == best[sender]).nonzero()[0]
    # Of equal ones the oldest: which key is the smallest is a matter of the secret seed.
    top = top[oldest_first(flows.first_ns[top])]
    return top[Groups.of(sender[top].view(np.uint64)).first]


def _source(flows: Flows, rows: I64, foreign: Bool) -> U64:
    """Return the address that rows use, of ARP requests too; 0 if another MAC holds it."""
    request = (flows.ethertype[rows] == ARP) & (flows.protocol[rows] == ARP_REQUEST)
    none = (flows.src_ip_low[rows] == 0) & (flows.src_ip_high[rows] == 0) & request
    source = np.empty((len(rows), 2), np.uint64)
    source[:, 0] = np.where(none, flows.claim_ip_high[rows], flows.src_ip_high[rows])
    source[:, 1] = np.where(none, flows.claim_ip_low[rows], flows.src_ip_low[rows])
    source[foreign[rows]] = 0
    return source


def _target(flows: Flows, rows: I64) -> tuple[U64, U64]:
    """Return the destination address of rows; of ARP, the one asked for."""
    none = (flows.dst_ip_low[rows] == 0) & (flows.dst_ip_high[rows] == 0)
    high = np.where(none, flows.asked_ip_high[rows], flows.dst_ip_high[rows])
    return high, np.where(none, flows.asked_ip_low[rows], flows.dst_ip_low[rows])
